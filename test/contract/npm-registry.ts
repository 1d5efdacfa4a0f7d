/** A registry for npm with one package, contract-greeting 1.0.0, whose default export is "hello from the package". */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

export const npmPackage = 'contract-greeting';

export async function startNpmRegistry(
  host: string,
): Promise<{ url: string; integrity: string; close: () => Promise<void> }> {
  const version = '1.0.0';
  const tar = pack();
  const manifest = { name: npmPackage, version, type: 'module', exports: './index.mjs' };
  tar.entry({ name: 'package/package.json' }, JSON.stringify(manifest));
  tar.entry({ name: 'package/index.mjs' }, "export default 'hello from the package';\n");
  tar.finalize();
  const tarball = gzipSync(await buffer(tar));
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const server = createServer((request, response) => {
    const file = `http://${request.headers.host}/${npmPackage}.tgz`;
    if (request.url === `/${npmPackage}.tgz`) response.end(tarball);
    else if (request.url === `/${npmPackage}`) {
      const versions = { [version]: { ...manifest, dist: { tarball: file, integrity } } };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name: npmPackage, 'dist-tags': { latest: version }, versions }));
    } else response.writeHead(404).end('{}');
  });
  server.listen(0, host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/`,
    integrity,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
