/** A registry of npm packages for tests: npm resolves and installs from it for real, without the internet. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { NpmPackage } from './npm-packages.ts';

export interface NpmRegistry {
  /** For NPM_CONFIG_REGISTRY, for example "http://10.99.1.1:40213/". */
  readonly url: string;
  /** Packages that were downloaded as name@version, each once, in order. */
  downloads(): readonly string[];
  close(): Promise<void>;
}

/** `host` is an address that builds can reach. */
export async function startNpmRegistry(host: string, packages: readonly NpmPackage[]): Promise<NpmRegistry> {
  const downloads = new Set<string>();
  const server = createServer((request, response) => {
    // Scoped packages are requested as @scope%2fname.
    const path = decodeURIComponent(request.url ?? '/').slice(1);
    const file = packages.find((one) => path === tarballPath(one));
    if (file) {
      downloads.add(`${file.name}@${file.version}`);
      // An npm that goes away in the middle asks again.
      pipeline(createReadStream(file.file), response).catch(() => response.destroy());
      return;
    }
    const versions = packages.filter(({ name }) => name === path);
    response.writeHead(versions.length > 0 ? 200 : 404, { 'content-type': 'application/json' });
    response.end(versions.length > 0 ? packument(versions, `http://${request.headers.host}/`) : '{}');
  });
  server.listen(0, host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/`,
    downloads: () => [...downloads],
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const tarballPath = ({ name, version }: NpmPackage): string => `${name}/-/${version}.tgz`;

/** What a registry returns for one package: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md. */
function packument(versions: readonly NpmPackage[], base: string): string {
  const described = versions.map((one) => {
    const { version, integrity, shasum, manifest } = one;
    return [version, { ...manifest, dist: { tarball: `${base}${tarballPath(one)}`, integrity, shasum } }] as const;
  });
  const latest = versions.at(-1)?.version;
  return JSON.stringify({
    name: versions[0]?.name,
    'dist-tags': { latest },
    versions: Object.fromEntries(described),
  });
}
