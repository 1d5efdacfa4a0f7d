/** A store that is restored from a backup while a worker has gone on: real programs' parts, bots as processes. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { type Logger, silentLogger } from '#common/log.ts';
import { readOrchestratorConfig } from '../../orchestrator/config.ts';
import { type RunningOrchestrator, startOrchestrator } from '../../orchestrator/program.ts';
import { createRest, type Rest } from '../../scripts/upgrade/rest.ts';
import { tickingBot } from '../../scripts/upgrade/sample-bots.ts';
import { readWorkerConfig } from '../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../worker/program.ts';
import { eventually } from '../kit/eventually.ts';

const patience = { timeoutMs: 60_000 };
let dir: string;
let orchestrator: RunningOrchestrator;
let worker: RunningWorker | undefined;
let rest: Rest;
let lines: string[];

/** Keeps what is logged as a warning or an error. */
const loggerTo = (kept: string[]): Logger => {
  const keep = (facts: unknown, text?: string) => kept.push(`${text ?? ''} ${JSON.stringify(facts)}`);
  return Object.assign(Object.create(silentLogger), { warn: keep, error: keep });
};

async function begin(env: Record<string, string> = {}): Promise<void> {
  lines = [];
  const config = readOrchestratorConfig({ PORT: '0', DATA_DIR: dir, MAX_BOTS_PER_USER: '20', ...env });
  orchestrator = await startOrchestrator({ config, clock: systemClock, logger: loggerTo(lines) });
  rest = createRest(orchestrator.url, 'test-client-token');
}
async function connect(): Promise<void> {
  const config = readWorkerConfig({
    ORCHESTRATOR_URL: orchestrator.url,
    DATA_DIR: dir,
    WORKER_ID: 'w1',
    RUNTIME: 'process',
  });
  worker = await startWorker({ config, clock: systemClock, logger: silentLogger });
}
async function away(): Promise<void> {
  await worker?.stop();
  worker = undefined;
}
const store = () => join(dir, 'orchestrator');
const backup = () => join(dir, 'backup');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'restored-'));
});
afterEach(async () => {
  await away();
  await orchestrator.stop();
  rmSync(dir, { recursive: true, force: true });
});

const statusOf = async (botId: string) => (await rest.list()).find(({ bot_id }) => bot_id === botId);
const runs = (botId: string) =>
  eventually(
    `${botId} runs`,
    () => statusOf(botId),
    (bot) => bot?.['status'] === 'running',
    patience,
  );
const prints = (botId: string, text: string) =>
  eventually(
    `${botId} prints ${text}`,
    () => rest.logs(botId),
    (logs) => logs.includes(text),
    patience,
  );
const acceptId = () => /ACCEPT_RESTORE=([0-9a-f]+)/.exec(lines.join('\n'))?.[1];

/** Back to the backup, on a new port; workers are away. */
async function restore(): Promise<void> {
  await away();
  await orchestrator.stop();
  rmSync(store(), { recursive: true });
  cpSync(backup(), store(), { recursive: true });
  await begin();
}

it('what is updated after the restore runs, whatever its worker had completed before', async () => {
  await begin();
  await connect();
  await rest.run('b', tickingBot('v1'));
  await rest.run('other', tickingBot('other'));
  await orchestrator.stop();
  cpSync(store(), backup(), { recursive: true });
  await away();
  await begin();
  await connect();
  await rest.run('b', tickingBot('v2'), {}, 'update');
  await prints('b', 'v2 1');
  await restore();
  const job = await rest.post(rest.startBody('b', tickingBot('v3'), {}, 'update'));
  await connect();
  expect(await rest.ended(job)).toMatchObject({ status: 'completed' });
  await prints('b', 'v3 1');
  await runs('other');
  expect(acceptId()).toBeUndefined();
  // And what comes after that is newer still.
  await rest.run('b', tickingBot('v4'), {}, 'update');
  await prints('b', 'v4 1');
}, 120_000);

it('only bots whose history differs wait for the operator, and he is asked once', async () => {
  await begin();
  await connect();
  await rest.run('gone', tickingBot('gone'));
  await rest.run('changed', tickingBot('changed v1'));
  await rest.run('same', tickingBot('same'));
  await orchestrator.stop();
  await away();
  cpSync(store(), backup(), { recursive: true });
  await begin();
  await connect();
  await rest.act('gone', 'delete');
  await rest.run('changed', tickingBot('changed v2'), {}, 'update');
  await rest.run('late', tickingBot('late'));
  await restore();
  await connect();
  await runs('same');
  await eventually(
    'the log says what waits',
    () => acceptId() ?? '',
    (id) => id !== '',
    patience,
  );
  const said = lines.join('\n');
  // A worker that ended right after it removed a bot may not have forgotten it yet.
  expect(said).toMatch(/("kept"|"notStarted"):\[[^\]]*gone/);
  expect(said).toMatch(/"kept":\[[^\]]*changed/);
  expect(said).toMatch(/"kept":\[[^\]]*late/);
  expect(await statusOf('changed')).toMatchObject({ reason: expect.stringContaining('restored from a backup') });
  expect(await statusOf('gone')).toMatchObject({ reason: expect.stringContaining('restored from a backup') });
  expect(await statusOf('same')).toMatchObject({ status: 'running', reason: '' });
  // Others can be dealt with meanwhile, and a new decision frees one that waits.
  expect(await rest.act('same', 'restart')).toMatchObject({ status: 'completed' });
  await rest.run('changed', tickingBot('changed v3'), {}, 'update');
  await prints('changed', 'changed v3 1');
  const id = acceptId() ?? '';
  await away();
  await orchestrator.stop();
  // It still waits after a restart, under the same id.
  await begin({ ACCEPT_RESTORE: 'ffffffff' });
  await connect();
  await eventually(
    'the log says what waits',
    () => acceptId() ?? '',
    (now) => now === id,
    patience,
  );
  await away();
  await orchestrator.stop();
  await begin({ ACCEPT_RESTORE: id });
  await connect();
  await runs('gone');
  await prints('gone', 'gone 1');
  expect(acceptId()).toBeUndefined();
  expect(lines.join('\n')).toMatch(/"removes":\[[^\]]*late/);
  await runs('changed');
  // The id is used up.
  await away();
  await orchestrator.stop();
  await begin({ ACCEPT_RESTORE: id });
  expect(lines.join('\n')).toContain('does not name a pending restore');
}, 180_000);
