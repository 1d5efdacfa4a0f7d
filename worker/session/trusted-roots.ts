/**
 * The authorities that an orchestrator's certificate may come from, read for each dial: a file that has changed since the
 * start counts at the next one. What NODE_EXTRA_CA_CERTS and gRPC's own GRPC_DEFAULT_SSL_ROOTS_FILE_PATH name adds to the
 * usual ones, each independently of the other.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import type { Logger } from '#common/log.ts';

export const rootsFilesOf = (env: NodeJS.ProcessEnv): readonly string[] =>
  ['NODE_EXTRA_CA_CERTS', 'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'].flatMap((name) => env[name] || []);

const certificate =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Reads the files again at each call; a file that cannot be used counts with what it held before. */
export function createTrustedRoots(files: readonly string[], logger: Logger): () => Buffer | null {
  const last = new Map<string, string>();
  const told = new Map<string, string>();
  const read = (path: string): string => {
    try {
      const text = readFileSync(path, 'utf8');
      const found = text.match(certificate) ?? [];
      if (found.length === 0) throw new Error('it holds no certificate in PEM');
      for (const each of found) new X509Certificate(each);
      last.set(path, text);
      told.delete(path);
      return text;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const known = last.get(path);
      if (told.get(path) !== why) {
        const rest = known === undefined ? 'it is ignored' : 'its previous content stays in use';
        logger.error({ path, why }, `a file of certificate authorities cannot be used: ${rest}`);
      }
      told.set(path, why);
      return known ?? '';
    }
  };
  // Without files the library's own way is the same.
  return () => (files.length === 0 ? null : Buffer.from([ownRoots(), ...files.map(read)].join('\n')));
}

/** The authorities without those that Node.js read from NODE_EXTRA_CA_CERTS at its start: one that was taken out since must go. */
function ownRoots(): string {
  const atStart = new Set(getCACertificates('extra'));
  return getCACertificates('default')
    .filter((each) => !atStart.has(each))
    .join('\n');
}
