/** The name servers that the engine gives to containers. Pure but for the run that is handed in. */
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import type { Destination } from './places.ts';

/** From a resolv.conf(5). Those on the host's loopback are asked by the engine itself, not from a container. */
export function nameServers(resolvConf: string): readonly Destination[] {
  const found = [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
  return [...new Set(found)].flatMap((address): readonly Destination[] => {
    const [plain = ''] = address.split('%');
    const family = isIP(plain);
    if ((family !== 4 && family !== 6) || /^127\.|^::1$/.test(plain)) return [];
    return [{ family, range: plain }];
  });
}

/** The text of the first file in a tar. */
export async function firstFile(tar: Buffer): Promise<string> {
  const files = extract();
  Readable.from([tar]).pipe(files);
  for await (const entry of files) {
    const content = await textOf(entry);
    if (entry.header.type === 'file') return content;
  }
  return '';
}
