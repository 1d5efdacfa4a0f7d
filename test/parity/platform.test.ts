/**
 * Bugs of the original's engine, worker and accounts that must not come back, each named after it. Those that other tests
 * prove are already in the table at the end.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containerName, imageName, volumeName } from '#common/ids.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { type Proof, provenBy } from './proven-by.ts';

let orchestrator: TestOrchestrator;
const workers: ScriptedWorker[] = [];
beforeEach(async () => {
  orchestrator = await startTestOrchestrator();
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const connect = async (workerId = 'w1') => {
  const worker = await connectScriptedWorker(orchestrator.address, { workerId });
  workers.push(worker);
  await worker.take('welcome');
  return worker;
};
const start = (bot_id: string) => ({ action: 'start', bot_id, deployment_mode: 'simple', code: 'print(1)' });
const job = async (data: object): Promise<JsonBody> => {
  const { status, body } = await orchestrator.post(data);
  expect({ status, body }).toMatchObject({ status: 202 });
  return body.job_id;
};
const ended = (jobId: string): Promise<JsonBody> =>
  eventually(
    'the job is final',
    async () => (await orchestrator.get(`/jobs/${jobId}`)).body,
    ({ status }) => status === 'completed' || status === 'failed',
    { timeoutMs: 15_000 },
  );

describe('engine', () => {
  it('a bad image is built four times: a failed start is tried once', async () => {
    const worker = await connect();
    const jobId = await job(start('bad'));
    const { taskId } = await worker.take('ensure');
    const failure = { code: 'BUILD_FAILED', message: 'Line 3 is wrong.', hint: 'Fix it.' };
    worker.send({ case: 'result', value: { taskId, outcome: { case: 'failed', value: failure } } });
    expect(await ended(jobId)).toMatchObject({ state: 'failed', data: { error: { code: 'BUILD_FAILED' } } });
    await worker.take('resultAck');
    // A second try would come before the first one of a bot that is started after it.
    const next = await job(start('good'));
    const tries = () =>
      worker.heard.flatMap(({ body }) => (body.case === 'ensure' && body.value.taskId ? [body.value] : []));
    const [, second] = await eventually('the other bot is started', tries, (seen) => seen.length > 1);
    expect(tries().map(({ botId }) => botId)).toEqual(['bad', 'good']);
    if (second) worker.succeed(second);
    await ended(next);
  });

  it('late results resurrect failed jobs', async () => {
    const worker = await connect();
    const jobId = await job(start('late'));
    const ensure = await worker.take('ensure');
    const failure = { code: 'BUILD_FAILED', message: 'no', hint: 'fix it' };
    worker.send({ case: 'result', value: { taskId: ensure.taskId, outcome: { case: 'failed', value: failure } } });
    await ended(jobId);
    worker.succeed(ensure);
    await worker.take('resultAck');
    await worker.take('resultAck');
    expect(await ended(jobId)).toMatchObject({ status: 'failed', data: { error: { code: 'BUILD_FAILED' } } });
  });

  it('"completed" is not terminal: status and current_state of a job that is done agree', async () => {
    const list = await ended(await job({ action: 'list' }));
    expect(list).toMatchObject({ state: 'completed', current_state: 'completed', status: 'completed' });
  });
});

describe('several workers', () => {
  it('list, stop and status see one worker at random', async () => {
    const first = await connect('w1');
    const one = await job(start('one'));
    first.succeed(await first.take('ensure'));
    await ended(one);
    const second = await connect('w2');
    const { data } = await ended(await job({ action: 'list' }));
    expect(data.result.bots).toMatchObject([{ bot_id: 'one', worker_id: 'w1' }]);
    const stop = await job({ action: 'stop', bot_id: 'one' });
    const ensure = await first.take('ensure');
    first.succeed(ensure, observed(ensure, { state: BotState.STOPPED }));
    expect(await ended(stop)).toMatchObject({ status: 'completed', data: { result: { status: 'stopped' } } });
    expect(second.heard.filter(({ body }) => body.case === 'ensure')).toEqual([]);
  });

  it('the quota is per worker and counts only running bots: crash-looping ones escape', async () => {
    const first = await connect('w1');
    for (const bot of ['a', 'b', 'c']) {
      const jobId = await job(start(bot));
      const ensure = await first.take('ensure');
      first.succeed(ensure, observed(ensure, { state: BotState.CRASH_LOOP, exitCode: 1 }));
      await ended(jobId);
    }
    await connect('w2');
    const { status, body } = await orchestrator.post(start('d'));
    expect([status, body.error.code]).toEqual([429, 'QUOTA_EXCEEDED']);
    // An update of one that counts already takes no place more.
    expect((await orchestrator.post(start('a'))).status).toBe(202);
  });
});

describe('accounts', () => {
  it('names collide: user "a" bot "b_c" is user "a_b" bot "c", and "Bot" is "bot"', () => {
    const keys = [
      { userId: 'a', botId: 'b_c' },
      { userId: 'a_b', botId: 'c' },
      { userId: 'a', botId: 'Bot' },
      { userId: 'a', botId: 'bot' },
    ];
    for (const nameOf of [containerName, volumeName, (key: (typeof keys)[0]) => imageName(key, 1)]) {
      // An engine takes container names apart by case, an image's name must be lower-case.
      expect(new Set(keys.map((key) => nameOf(key).toLowerCase())).size).toBe(keys.length);
    }
  });

  it.each(['/_public/jobs/quarantined', '/_public/debug/flush_db', '/_public/status', '/api/jobs', '/api/dashboard'])(
    '%s needs no token and tells or destroys',
    async (path) => {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const response = await fetch(`${orchestrator.url}${path}`, { method });
        expect([401, 404]).toContain(response.status);
        await response.body?.cancel();
      }
    },
  );

  it('every poll counts against the quota of calls: a job may be looked at a thousand times', async () => {
    const jobId = await job({ action: 'list' });
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => orchestrator.get(`/jobs/${jobId}`)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    }
  });

  it('a rate limit of 5 a minute starves workers', async () => {
    const headers = { authorization: 'Bearer test-worker-token', 'content-type': 'application/json' };
    const body = JSON.stringify({ worker_id: 'w', supported_tasks: ['process_data'] });
    for (let round = 0; round < 20; round += 1) {
      const registered = await fetch(`${orchestrator.url}/workers/register`, { method: 'POST', headers, body });
      const tasks = await fetch(`${orchestrator.url}/workers/w/tasks`, { headers });
      expect([registered.status, tasks.status]).toEqual([200, 200]);
    }
  });
});

const jobs = 'test/orchestrator/jobs.test.ts';
const accepted = 'test/hostile/accepted.test.ts';
const fields = 'test/hostile/fields.test.ts';
const parityOnDocker = 'test/parity/docker.test.ts';
const settings = 'test/parity/settings.test.ts';
const proofs: readonly Proof[] = [
  [
    'restart deletes the bot and prints a hint; update needs everything again',
    parityOnDocker,
    'update and restart need nothing again (UC 5, 22), and nothing is built again',
  ],
  [
    'a failed build after the stop: bot gone',
    'test/e2e/docker.test.ts',
    'a build that fails tells why, leaves nothing behind, and leaves the old bot running',
  ],
  [
    'a failure of the stop is ignored',
    'test/worker/update-and-stop.test.ts',
    'continues while the engine is away, and does not say stopped before it is true',
  ],
  [
    'archives include .git; .env goes along in custom mode, as for docker build',
    'cli/source/build-context.test.ts',
    'holds everything but .git, as docker build does, and says what is left out',
  ],
  [
    'a plain .tar is accepted by the CLI and not by the worker',
    'test/e2e/sources.test.ts',
    'a plain .tar file is taken like a .tar.gz, without what its .dockerignore says',
  ],
  [
    'failure transitions never fire',
    jobs,
    'hostile 111: that fails leaves a failed bot that frees its place and tells why',
  ],
  [
    'no idle worker: four tries at once, then quarantine',
    jobs,
    'waits for a worker with the reason shown, and goes out as soon as one joins',
  ],
  ['task_result is always None', jobs, 'goes to the worker with its spec, and is completed by the worker’s result'],
  [
    'dispatch saves after it has sent',
    jobs,
    'forgets nothing it has answered: the job continues with the worker’s next session',
  ],
  ['tasks of equal priority are not first in, first out', jobs, 'run one after the other, in order'],
  [
    'deadlines by a clock that breaks across hosts and restarts',
    'test/worker/start.test.ts',
    'counts its deadline by the time that is left, whatever the wall clock does',
  ],
  [
    'quota: checked before already_running, and not exact',
    jobs,
    'hostile 111: lets exactly 3 of 100 concurrent starts in, and a stop frees exactly one place',
  ],
  [
    'start of a running bot: already_running, new code never runs',
    accepted,
    'hostile 22: a start of a running bot with another spec is a new generation, never "already running"',
  ],
  [
    'user_id of the body is trusted',
    'test/hostile/decode.test.ts',
    'hostile 11: who asks, and what is run where, is not the body’s to say',
  ],
  [
    'whoever knows a job id reads env, passwords and tokens',
    'test/orchestrator/users.test.ts',
    'hostile 114: have bots of the same name apart, and another’s are not found',
  ],
  [
    'params with env and passwords are logged',
    'test/e2e/docker.test.ts',
    'a container is bounded, unprivileged and signed, and no secret of its bot is on any disk of ours',
  ],
  [
    'the git URL with its token is logged',
    'test/e2e/sources.test.ts',
    'no password of git or of a registry, and no secret of an env, is in any output, log, record, image or label',
  ],
  ['CLIENT_TOKEN has no effect', settings, 'CLIENT_TOKEN has no effect: it is the only token that is taken'],
  [
    'documented variables of the worker are never read',
    settings,
    'documented variables of the worker are never read: a bot gets the memory, CPU, network and base image that they say',
  ],
  [
    'a worker that got 404 never registers again: ours',
    'test/worker/session.test.ts',
    'by the death of the orchestrator is dialled again until it is back',
  ],
  [
    'a worker that got 404 never registers again: the original’s',
    'test/orchestrator/original-clients.test.ts',
    'is registered by its heartbeat with an orchestrator that does not know it: it never registers again itself',
  ],
  [
    'cancel and progress never work',
    parityOnDocker,
    'a cancelled build leaves nothing behind, of an update the old bot',
  ],
  ['files and entrypoint leave the folder, and write into the Dockerfile', fields, 'files and the entrypoint'],
  ['tar: prefix check', 'test/hostile/archives.test.ts', 'hostile 43: a name that climbs'],
  ['tar: links', 'test/hostile/archives.test.ts', 'hostile 44: a file behind a link'],
  [
    'build_timeout_seconds is not used',
    'test/worker/start.test.ts',
    'that is not done by its deadline fails with what it was at',
  ],
  [
    '24 h are never enforced',
    'test/orchestrator/max-runtime.test.ts',
    'warns ten minutes before, by an event too, and then stops the bot',
  ],
  ['resource_limits have no bound', fields, 'hostile 78, 79: resource limits'],
  [
    'no cap of swap',
    'test/e2e/docker.test.ts',
    'a container is bounded, unprivileged and signed, and no secret of its bot is on any disk of ours',
  ],
  [
    'builds run unconstrained as root',
    settings,
    'builds run unconstrained: a step of a Dockerfile has bounds of memory, CPU, processes and files, and no privileges',
  ],
  [
    'stop and list block everything else',
    parityOnDocker,
    'stop, logs and list block everything else: while a bot that ignores SIGTERM is stopped, the others are served',
  ],
  [
    'logs block everything else',
    'test/worker/tails.test.ts',
    'that nobody reads holds up neither the bot nor heartbeats nor another tail',
  ],
  [
    'a job that ran out of time is waited for to the end of 300 s, and the CLI ends with 0',
    'cli/calls/wait-for-job.test.ts',
    'gives up at the deadline of the job, and a little later, not earlier',
  ],
  [
    'the event listener dies on an error for good',
    'worker/engine/engine-watch.test.ts',
    'knows what ended with the engine when its event stream breaks',
  ],
  [
    'build logs are dropped',
    parityOnDocker,
    'build logs dropped: the output of a failed build is in the log of the bot, with the secrets of its env masked',
  ],
  ['images are never removed', 'test/worker/update-and-stop.test.ts', 'leaves no container, image or log'],
  ['lines are not checked', fields, 'hostile 97: log lines'],
  [
    'started_at ignores restarts',
    'test/contract/docker.test.ts',
    'that has ended can be started again, and tells of the last run',
    'test/contract/states.ts',
  ],
  [
    'logs -f repeats or loses lines',
    'test/cli/network.test.ts',
    'following a log continues after the last line when the connection is cut, and ends on Ctrl-C',
  ],
  [
    'after a stop the logs are gone',
    'test/e2e/docker.test.ts',
    'a start with requirements builds, runs, answers, is listed, logged and stopped',
  ],
  [
    'job states never expire',
    'orchestrator/store/pruning.test.ts',
    'removes jobs that ended long ago with all they have, and no job that is open',
  ],
  ['/health does not exist', 'test/orchestrator/rest.test.ts', 'answers {"status":"ok"} to anybody, byte for byte'],
];

describe('proved elsewhere', () => provenBy(proofs));
