/**
 * What the worker remembers of the history of the orchestrator's store: with it an orchestrator finds out that its store was set
 * back, and where.
 */
import type { DesiredSet, StoreMoment, StoreOpening } from '#gen/botrunner/v1/worker_service_pb.js';
import { readJsonIfAny, writeFileAtomic } from './atomic-file.ts';

interface Kept {
  readonly storeId: string;
  readonly openings: readonly { readonly id: string; readonly fromSeq: number; readonly after: string }[];
  readonly heard?: { readonly opening: string; readonly seq: number };
}

const openingsMax = 64;

export interface StoreHistory {
  /** For Hello. */
  readonly openings: StoreOpening[];
  readonly heard: StoreMoment | undefined;
  /** Takes in what a set says. Resolves when it is on disk, and rejects when it cannot be. */
  learn(storeId: string, set: Pick<DesiredSet, 'now' | 'openings'>): Promise<void>;
}

export async function openStoreHistory(path: string): Promise<StoreHistory> {
  let kept: Kept = (await readJsonIfAny<Kept>(path)) ?? { storeId: '', openings: [] };
  if (!Array.isArray(kept.openings)) kept = { storeId: '', openings: [] };
  let lane: Promise<void> = Promise.resolve();
  return {
    get openings() {
      return kept.openings.map(({ id, fromSeq, after }) => ({
        $typeName: 'botrunner.v1.StoreOpening' as const,
        id,
        fromSeq: BigInt(fromSeq),
        after,
      }));
    },
    get heard() {
      if (kept.heard === undefined) return undefined;
      const { opening, seq } = kept.heard;
      return { $typeName: 'botrunner.v1.StoreMoment' as const, opening, seq: BigInt(seq) };
    },
    learn(storeId, set) {
      const before: Kept = kept.storeId === storeId ? kept : { storeId, openings: [] };
      const told = set.openings.map(({ id, fromSeq, after }) => ({ id, fromSeq: Number(fromSeq), after }));
      const known = new Set(told.map(({ id }) => id));
      const next: Kept = {
        ...before,
        openings: [...before.openings.filter(({ id }) => !known.has(id)), ...told].slice(-openingsMax),
        ...(set.now ? { heard: { opening: set.now.opening, seq: Number(set.now.seq) } } : {}),
      };
      if (JSON.stringify(next) === JSON.stringify(kept)) return lane;
      kept = next;
      lane = lane.catch(() => undefined).then(() => writeFileAtomic(path, JSON.stringify(kept)));
      return lane;
    },
  };
}
