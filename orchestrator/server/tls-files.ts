/**
 * The certificate and key of the port, read again when their files change: a renewed certificate needs no restart. Looked at
 * by their bytes, because tools put new files in place by links and renames of all kinds.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { repeat } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface TlsPaths {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface TlsFilesParts {
  readonly paths: TlsPaths;
  /** As read at the start. */
  readonly current: TlsPair;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly use: (pair: TlsPair) => void;
  readonly everyMs?: number;
}

const everyMsDefault = 10_000;

export async function readTlsPair({ certPath, keyPath }: TlsPaths): Promise<TlsPair> {
  const [cert, key] = await Promise.all([readFile(certPath), readFile(keyPath)]);
  return { cert, key };
}

/** Looks at the files from now on; the returned function ends it. */
export function watchTlsFiles(parts: TlsFilesParts): () => void {
  const { clock, logger, everyMs = everyMsDefault } = parts;
  const files = new TlsFiles(parts);
  const report = (error: unknown) => logger.error({ err: error }, 'the TLS files could not be checked');
  return repeat(clock, everyMs, () => files.look(), report);
}

/** What the watch looks at. */
export class TlsFiles {
  readonly #parts: Omit<TlsFilesParts, 'clock' | 'everyMs'>;
  #current: TlsPair;
  /** What was wrong at the last look, and what was logged of it. */
  #fault = '';
  #told = '';

  constructor(parts: Omit<TlsFilesParts, 'clock' | 'everyMs'>) {
    this.#parts = parts;
    this.#current = parts.current;
  }

  /** Never rejects: what cannot be used leaves the port as it is. */
  async look(): Promise<void> {
    const { paths, logger, use } = this.#parts;
    try {
      const pair = await readTlsPair(paths);
      if (same(pair, this.#current)) this.#fault = '';
      else {
        // Throws if either is invalid, or if the key does not belong to the certificate.
        createSecureContext(pair);
        use(pair);
        this.#current = pair;
        this.#fault = '';
        logger.info({ certificate: paths.certPath }, 'TLS_CERT and TLS_KEY have changed and are now in use');
      }
      this.#told = '';
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      // Two files cannot change at once: only what is still wrong at the next look is wrong.
      if (fault === this.#fault && fault !== this.#told) {
        this.#told = fault;
        logger.error(
          { certificate: paths.certPath, key: paths.keyPath, why: fault },
          'TLS_CERT and TLS_KEY have changed but cannot be used: the port keeps the previous ones',
        );
      }
      this.#fault = fault;
    }
  }
}

const same = (a: TlsPair, b: TlsPair): boolean => a.cert.equals(b.cert) && a.key.equals(b.key);
