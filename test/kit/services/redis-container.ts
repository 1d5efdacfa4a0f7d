/**
 * A real Redis in a container of the engine, as an operator runs one beside the bots: Debian's redis-server with the
 * libraries that it needs and nothing else.
 */
import { join } from 'node:path';
import { createEngineClient, type EngineCall } from '../../../worker/runtime/docker/engine-client.ts';
import { FileSet } from '../base-images/file-set.ts';
import { sharedLibraries } from '../base-images/shared-libraries.ts';
import { debianPackages } from '../private-engine/debian-packages.ts';
import { callEngine } from '../private-engine/engine-api.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';

const image = 'botrunner-test-redis:1';

export interface RedisContainer {
  readonly port: number;
  remove(): Promise<void>;
}

export interface RedisPlace {
  /** `host`: on the addresses of the engine's machine. Else the name of a network, on which its own name is `redis`. */
  readonly network: string;
  readonly port: number;
}

/** Throws where Debian's package cannot be had. */
export async function startRedis(dockerHost: string, { network, port }: RedisPlace): Promise<RedisContainer> {
  await importImage(dockerHost);
  const engine = createEngineClient(dockerHost);
  const ask = (call: EngineCall) => engine.call(call, AbortSignal.timeout(30_000));
  const created = await ask({
    method: 'POST',
    path: '/containers/create',
    body: {
      Image: image,
      Cmd: ['redis-server', '--port', String(port), '--protected-mode', 'no', '--save', '', '--dir', '/tmp'],
      HostConfig: { NetworkMode: network },
      ...(network !== 'host' && { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: ['redis'] } } } }),
    },
  });
  // The engine's answer to a creation: {"Id":"...","Warnings":[]}.
  const { Id } = created as { readonly Id: string };
  const remove = async () => {
    await ask({ method: 'DELETE', path: `/containers/${Id}`, query: { force: true, v: true } });
    await ask({ method: 'DELETE', path: `/images/${image}`, query: { force: true } });
  };
  try {
    await ask({ method: 'POST', path: `/containers/${Id}/start` });
  } catch (error) {
    await remove();
    throw error;
  }
  return { port, remove };
}

async function importImage(dockerHost: string): Promise<void> {
  const tree = await debianPackages(join(defaultCacheDir, 'redis'), ['redis-server']);
  // redis-server is a link to the program that checks its files, too.
  const program = tree.find('/usr/bin/redis-check-rdb');
  if (program === undefined) throw new Error('the package redis-server has no such program');
  const files = new FileSet();
  files.file('/usr/bin/redis-server', program);
  for (const { path, source } of await sharedLibraries(tree, [program])) files.file(path, source);
  files.folder('/tmp', 0o1777);
  const query = new URLSearchParams({ fromSrc: '-', repo: image, changes: 'ENV PATH=/usr/bin' });
  const answer = await callEngine(dockerHost, `/images/create?${query}`, { method: 'POST', body: files.pack() });
  if (answer.status !== 200 || answer.text.includes('"error"')) throw new Error(`no Redis image: ${answer.text}`);
}
