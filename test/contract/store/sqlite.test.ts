import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFillableStore } from '../../../orchestrator/store/testing/fillable-store.ts';
import { describeStore } from './contract.ts';

describeStore('SQLite', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-contract-'));
  let open = openFillableStore(dir);
  return {
    store: open.store,
    async reopen() {
      await open.store.close();
      open = openFillableStore(dir);
      return open.store;
    },
    fillDisk: (full) => open.fillDisk(full),
    async end() {
      await open.store.close();
      rmSync(dir, { recursive: true });
    },
  };
});
