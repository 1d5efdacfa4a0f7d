/**
 * Brings a release into the state that test/upgrade opens: every kind of bot and open job there is, two workers, two users.
 * All programs are killed at the end, so that what is on disk is what a crash leaves.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../test/kit/eventually.ts';
import { freePort } from '../platform/free-port.ts';
import { endBots } from './end-bots.ts';
import type { Release, ReleaseProgram } from './release.ts';
import { createRest, type Rest } from './rest.ts';
import { exitingBot, failingBot, tickingBot } from './sample-bots.ts';

/** What was asked for, for the test to compare with. */
export interface MadeState {
  /** Wall time at the end, ms: the test's clock begins there. */
  readonly madeAt: number;
  readonly annaToken: string;
  /** By name: ids of jobs that are open. */
  readonly openJobs: Readonly<Record<string, string>>;
  readonly idempotency: { readonly key: string; readonly body: unknown; readonly jobId: string };
  /** Bots of dev as `list` showed them before the open jobs were made. */
  readonly bots: readonly unknown[];
  readonly annasBots: readonly unknown[];
  /** Logs of the running bot. */
  readonly logs: string;
  /** The id of an event of the middle of the history. */
  readonly eventId: string;
}

/** Nobody's: BotFather gives none of this number. */
const telegramToken = `900000001:${'F'.repeat(35)}`;
const waitMs = { timeoutMs: 60_000 };

export async function makeState(release: Release, state: string): Promise<MadeState> {
  mkdirSync(state, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = join(state, '..', 'programs.log');
  const orchestrator = release.start(
    'orchestrator',
    { PORT: String(port), DATA_DIR: state, MAX_BOTS_PER_USER: '30' },
    log,
  );
  const programs: ReleaseProgram[] = [orchestrator];
  const startWorker = (id: string): ReleaseProgram => {
    const env = {
      ORCHESTRATOR_URL: url,
      DATA_DIR: join(state, id),
      WORKER_ID: id,
      WORKER_LABELS: `zone=${id}`,
      RUNTIME: 'process',
      // Where nothing listens: a build that needs packages fails.
      PIP_INDEX_URL: 'http://127.0.0.1:9/',
    };
    const program = release.start('worker', env, log);
    programs.push(program);
    return program;
  };
  try {
    const dev = createRest(url, 'test-client-token');
    await eventually('the orchestrator answers', () => dev.isUp(), Boolean, waitMs);
    const one = startWorker('one');
    await dev.run('moved', tickingBot('moved v1'));
    const two = startWorker('two');
    await moveAway(url, 'one', 'two');
    const annaToken = await makeToken(url, 'anna');
    const anna = createRest(url, annaToken);
    await anna.run('hers', tickingBot('hers'), { env_vars: { ANNA_SECRET: 'annas-secret-value' } });
    await settledBots(dev);
    const eventId = await dev.lastEventId();
    const idempotency = await keyedStart(dev);
    await eventually(
      'the running bot has said more',
      () => dev.logs('runs'),
      (text) => text.includes('runs 3'),
      waitMs,
    );
    const bots = await dev.list();
    const annasBots = await anna.list();
    const logs = await dev.logs('runs');
    const openJobs = await openedJobs(dev, two, orchestrator, join(state, 'one', 'worker', 'results'));
    await one.kill();
    return { madeAt: Date.now(), annaToken, openJobs, idempotency, bots, annasBots, logs, eventId };
  } finally {
    for (const program of programs) await program.kill();
    endBots([join(state, 'one'), join(state, 'two')]);
    console.log(readFileSync(log, 'utf8').split('\n').slice(-20).join('\n'));
  }
}

/** Bots in every state that lasts. */
async function settledBots(dev: Rest): Promise<void> {
  await dev.run('runs', tickingBot('runs'), {
    env_vars: { BOT_TOKEN: telegramToken, API_KEY: 'a-secret-of-the-fixture' },
    on: { zone: 'one' },
  });
  await dev.run('stopped', tickingBot('stopped'), { on: { zone: 'one' } });
  await dev.act('stopped', 'stop');
  await dev.run('exited', exitingBot, { on: { zone: 'one' } });
  await dev.run('crashes', failingBot);
  await dev.run('unbuildable', {
    files: { 'bot.py': 'print("never")\n' },
    entrypoint: 'bot.py',
    requirements: ['aiogram'],
  });
  await dev.run('updated', tickingBot('updated v1'));
  await dev.run('updated', tickingBot('updated v2'), {}, 'update');
  await dev.run('rolled_back', tickingBot('rolled_back v1'));
  await dev.run('rolled_back', failingBot, {}, 'update');
  await dev.run('deleted', tickingBot('deleted'));
  await dev.act('deleted', 'delete');
}

async function keyedStart(dev: Rest): Promise<MadeState['idempotency']> {
  const key = 'key-of-the-fixture';
  const body = dev.startBody('keyed', exitingBot);
  const jobId = await dev.post(body, key);
  await dev.ended(jobId);
  return { key, body, jobId };
}

/** Jobs in every open state. The programs are ended on the way: a worker that stands still, then the orchestrator. */
async function openedJobs(
  dev: Rest,
  two: ReleaseProgram,
  orchestrator: ReleaseProgram,
  results: string,
): Promise<Record<string, string>> {
  const start = (botId: string, extra: object) => dev.post(dev.startBody(botId, tickingBot(botId), extra));
  const waiting = await start('waits', { on: { room: 'late' } });
  const picture = await dev.post({
    blueprint: 'bot_runner',
    data: {
      action: 'start',
      bot_id: 'pictured',
      deployment_mode: 'image',
      docker_image: 'registry.example/bot:1',
      registry_auth: { username: 'robot', password: 'registry-secret-of-the-fixture' },
    },
  });
  const workflow = await dev.post({ blueprint: 'test_workflow', data: { input: 'upper' } });
  two.child.kill('SIGSTOP');
  const running = await dev.post(dev.startBody('moved', tickingBot('moved v2'), {}, 'update'));
  const pending = await dev.post({ blueprint: 'bot_runner', data: { action: 'restart', bot_id: 'moved' } });
  const answered = await start('answered', { on: { zone: 'one' } });
  await eventually(
    'the task of the last job is at work',
    () => dev.job(answered),
    ({ status, reason }) => status === 'running' && reason !== '',
    { ...waitMs, everyMs: 20 },
  );
  const jobs = { waiting, picture, workflow, running, pending, answered };
  const states = await Promise.all(Object.values(jobs).map((id) => dev.job(id)));
  console.log(Object.keys(jobs).map((name, at) => `${name}: ${states[at]?.status}`));
  await orchestrator.kill();
  await eventually(
    'a result nobody has taken is on disk',
    () => readdirSync(results),
    (names) => names.length > 0,
    waitMs,
  );
  return jobs;
}

async function admin(url: string, method: string, body: object): Promise<string> {
  const answer = await fetch(`${url}/botrunner.v1.AdminService/${method}`, {
    method: 'POST',
    headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method}: ${text}`);
  return text;
}

async function makeToken(url: string, userId: string): Promise<string> {
  const answer = JSON.parse(await admin(url, 'CreateToken', { userId, name: 'fixture', scope: 'TOKEN_SCOPE_CLIENT' }));
  return String(answer.value);
}

/** Drains `from` once `to` is there, and takes the cordon off again. */
async function moveAway(url: string, from: string, to: string): Promise<void> {
  await eventually(
    `worker ${to} is there`,
    () => admin(url, 'ListWorkers', {}),
    (text) => text.includes(`"${to}"`),
    waitMs,
  );
  const bytes = Buffer.from(JSON.stringify({ workerId: from }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  const answer = await fetch(`${url}/botrunner.v1.AdminService/DrainWorker`, {
    method: 'POST',
    headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/connect+json' },
    body: Buffer.concat([head, bytes]),
  });
  const text = await answer.text();
  if (!text.includes('OUTCOME_MOVED')) throw new Error(`the drain moved nothing: ${text}`);
  await admin(url, 'UncordonWorker', { workerId: from });
}
