/**
 * Bots in this runtime's folder that are not this worker's: folders signed with another key, and processes whose folder is
 * gone. See ../strays.ts. They can be ended, and not be taken: what they are started with is sealed with the key that was lost.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '#common/clock.ts';
import { refuse } from '#common/problem.ts';
import { isErrno } from '../../state/atomic-file.ts';
import { noSuchStray, type Stray } from '../strays.ts';
import type { ContainerStore } from './container-store.ts';
import { containersDir, namesIn, removeFolder } from './layout.ts';
import { endProcess, runFacts, stopRun } from './runs.ts';
import { commandLine, type ProcessRecord, processRecordOf } from './wrapper.ts';

const graceMs = 10_000;

type Found = { readonly stray: Stray } & ({ readonly folder: string } | { readonly process: ProcessRecord });

/** As ContainerRuntime.strays. */
export async function listStrays(dir: string, store: ContainerStore): Promise<readonly Stray[]> {
  return (await findStrays(dir, store)).map(({ stray }) => stray);
}

/** As ContainerRuntime.removeStray. */
export async function removeStray(
  dir: string,
  store: ContainerStore,
  id: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const found = (await findStrays(dir, store)).find(({ stray }) => stray.id === id);
  if (found === undefined) throw noSuchStray(id);
  if ('process' in found) {
    await endProcess(found.process, graceMs, clock, signal);
    return;
  }
  await stopRun(found.folder, { graceMs }, clock, signal);
  await removeFolder(found.folder);
}

export const takeNoStray = (): never =>
  refuse('CONTAINER_ERROR', 'A worker with RUNTIME=process cannot take over a bot whose key is lost.', {
    hint: 'Remove it with: avtomatika-bot worker adopt WORKER --remove ID. Then start the bot again.',
  });

async function findStrays(dir: string, store: ContainerStore): Promise<readonly Found[]> {
  const folders = await Promise.all(
    (await store.strays()).map(async ({ id, name, identity, folder }) => {
      const running = (await runFacts(folder)).status === 'running';
      return { folder, stray: { id, name, key: identity.key, workerId: identity.workerId, running } };
    }),
  );
  return [...folders, ...(await findProcesses(dir))];
}

async function findProcesses(dir: string): Promise<readonly Found[]> {
  const kept = new Set(await namesIn(containersDir(dir)));
  const found: Found[] = [];
  for (const pid of await allPids()) {
    // As runs.ts starts the wrapper: sh -c SCRIPT bot-runner RECORD ...
    const [, , , marker, record = ''] = await commandLine(pid);
    const folder = dirname(record);
    if (marker !== 'bot-runner' || dirname(folder) !== containersDir(dir) || kept.has(basename(folder))) continue;
    const process = await processRecordOf(pid);
    if (process === undefined) continue;
    const id = `process-${pid}-${process.startStamp}`;
    found.push({ process, stray: { id, name: basename(folder), key: undefined, workerId: '', running: true } });
  }
  return found;
}

/** None where there is no /proc. */
async function allPids(): Promise<readonly number[]> {
  try {
    return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
