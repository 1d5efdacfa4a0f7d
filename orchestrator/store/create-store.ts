/** A store on a backend. */
import type { Backend } from './backend.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Store } from './store.ts';

export interface StoreOptions {
  /** Runs every work twice and fails one that is not the same: for tests. */
  readonly rehearses?: boolean;
}

export function createStore(backend: Backend, { rehearses = false }: StoreOptions = {}): Store {
  const listeners = new Set<() => void>();
  let lastSeq = backend.lastSeq;
  let room = 0;
  const commits = createGroupCommit({
    backend,
    rehearses,
    committed(committed, workspace) {
      if (backend.kept === undefined) room += workspace.room();
      if (committed.lastSeq <= lastSeq) return;
      lastSeq = committed.lastSeq;
      for (const listener of listeners) listener();
    },
  });
  return {
    change: commits.change,
    look: commits.look,
    events: backend.events,
    chunks: backend.chunks,
    upkeep: backend.upkeep,
    onEvents(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    lastSeq: () => lastSeq,
    room: () => backend.kept?.workspace.room() ?? room,
    hasRoom: () => backend.hasRoom(),
    assertRoom: () => backend.assertRoom(),
    trouble: () => backend.trouble(),
    async close() {
      await commits.drain();
      await backend.close();
    },
  };
}
