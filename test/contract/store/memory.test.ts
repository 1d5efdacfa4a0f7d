import { createStore } from '../../../orchestrator/store/create-store.ts';
import { createMemoryBackend, type MemoryFaults } from '../../../orchestrator/store/testing/memory-backend.ts';
import { MemoryDatabase } from '../../../orchestrator/store/testing/memory-database.ts';
import { createRandom } from '../../fuzz/random.ts';
import { describeStore } from './contract.ts';

function describeMemory(name: string, faults: Omit<MemoryFaults, 'random'>): void {
  describeStore(name, async () => {
    const database = new MemoryDatabase();
    const openNow = () =>
      createStore(createMemoryBackend(database, { ...faults, random: createRandom(7, 0).next }), { rehearses: true });
    let store = openNow();
    return {
      store,
      async reopen() {
        await store.close();
        store = openNow();
        return store;
      },
      fillDisk(full) {
        database.isFull = full;
      },
      end: () => store.close(),
    };
  });
}

describeMemory('memory', {});
describeMemory('memory with a bad network', { conflict: 0.2, delay: 0.3, unknown: 0.2 });
