/**
 * An npm registry on an address that builds can reach, with the packages that the programs import and nothing else. It hands
 * out the files of npm's own cache on this machine, known by the hashes in package-lock.json; what the cache lacks, npm
 * itself is asked to bring.
 */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { checkoutPath } from '../../../scripts/process/checkout.ts';
import { runProgram } from '../private-engine/run-program.ts';

interface LockedPackage {
  readonly version: string;
  readonly integrity: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
}

export interface NpmMirror {
  /** For NPM_CONFIG_REGISTRY. */
  readonly url: string;
  close(): Promise<void>;
}

const npmTimeoutMs = 120_000;

/** Packages by name, each with its versions, as the lock file has them; those of development are left out. */
function lockedPackages(): Map<string, LockedPackage[]> {
  const lock = JSON.parse(readFileSync(checkoutPath('package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const byName = new Map<string, LockedPackage[]>();
  for (const [path, locked] of Object.entries(lock.packages)) {
    const name = path.split('node_modules/').at(-1) ?? '';
    if (name === '' || locked.dev || locked.devOptional) continue;
    byName.set(name, [...(byName.get(name) ?? []), locked]);
  }
  return byName;
}

export async function startNpmMirror(host: string): Promise<NpmMirror> {
  const packages = lockedPackages();
  const cache = join((await runProgram('npm', ['config', 'get', 'cache'])).trim(), '_cacache/content-v2/sha512');
  const pathOf = ({ integrity }: LockedPackage): string => {
    const hash = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
    return join(cache, hash.slice(0, 2), hash.slice(2, 4), hash.slice(4));
  };
  const missing = [...packages].flatMap(([name, versions]) =>
    versions.filter((each) => !each.optional && !existsSync(pathOf(each))).map(({ version }) => `${name}@${version}`),
  );
  if (missing.length > 0) await runProgram('npm', ['cache', 'add', ...missing], { timeoutMs: npmTimeoutMs });

  const server = createServer((request, response) => {
    const [name = '', version] = decodeURIComponent(request.url?.slice(1) ?? '').split('/-/');
    const versions = packages.get(name);
    const base = `http://${request.headers.host}/${name.replace('/', '%2f')}/-/`;
    if (versions === undefined) {
      response.writeHead(404).end('{}');
    } else if (version === undefined) {
      const told = versions.map((each) => {
        const dist = { tarball: `${base}${each.version}`, integrity: each.integrity };
        return [each.version, { name, version: each.version, dist }];
      });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name, 'dist-tags': {}, versions: Object.fromEntries(told) }));
    } else {
      const wanted = versions.find((each) => each.version === version);
      if (wanted && existsSync(pathOf(wanted))) response.end(readFileSync(pathOf(wanted)));
      else response.writeHead(404).end();
    }
  });
  server.listen(0, host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
