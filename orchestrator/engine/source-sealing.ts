/**
 * Seals the sources that a release stored which did not seal them: in the background after each start, some at a time, until there are
 * none. Until then they are read as they are.
 */
import { inBackground, nextTurn } from '#common/background.ts';
import type { Logger } from '#common/log.ts';
import type { Secret } from '#common/secret.ts';
import { sealChunk } from '../store/seal.ts';
import type { Store } from '../store/store.ts';

// 1 MB: a millisecond to seal, some to write.
const chunksAtOnce = 4;

export interface SourceSealingParts {
  readonly store: Store;
  readonly sealKey: Secret<Uint8Array>;
  readonly logger: Logger;
}

export class SourceSealing {
  readonly #parts: SourceSealingParts;
  #stopped = false;

  constructor(parts: SourceSealingParts) {
    this.#parts = parts;
  }

  run(): void {
    const { logger } = this.#parts;
    inBackground(this.seal(), (error) => {
      logger.warn({ err: error }, 'sealing sources of an earlier release failed; it continues at the next start');
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when all are sealed, or it was stopped. */
  async seal(): Promise<void> {
    const { sealKey, logger, store } = this.#parts;
    const { upkeep } = store;
    let sealed = 0;
    while (!this.#stopped) {
      const plain = await upkeep.plainChunks(chunksAtOnce);
      if (plain.length === 0) break;
      await upkeep.replacePlainChunks(
        plain.map(({ uploadId, n, bytes }) => ({ uploadId, n, bytes: sealChunk(sealKey, uploadId, n, bytes) })),
      );
      sealed += plain.length;
      await nextTurn();
    }
    if (sealed === 0) return;
    await upkeep.forgetPlainChunks();
    logger.info({ chunks: sealed }, 'the sources that an earlier release had stored are sealed now');
  }
}
