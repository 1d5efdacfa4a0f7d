import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { BotSchema, BotState } from '#gen/botrunner/v1/bot_pb.js';
import { type Event, EventSchema } from '#gen/botrunner/v1/event_pb.js';
import { JobSchema, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { Interrupted } from '../failures/errors.ts';
import { connectionLost, FakeOrchestrator, fakeTimeMs, refusal, type Step } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

function event(seq: number, subject: Event['subject'], extra: MessageInitShape<typeof EventSchema> = {}): Step {
  const time = timestampFromMs(fakeTimeMs);
  const head = { eventId: `e${seq}`, seq: BigInt(seq), botSeq: BigInt(seq), userId: 'dev', botId: 'b', time };
  return {
    watched: {
      update: { case: 'event', value: create(EventSchema, { ...head, subject, ...extra }) },
      resumeFrom: `p${seq}`,
    },
  };
}
const bot = (state: BotState, extra: MessageInitShape<typeof BotSchema> = {}): Event['subject'] => ({
  case: 'bot',
  value: create(BotSchema, { botId: 'b', state, ...extra }),
});
const job: Event['subject'] = {
  case: 'job',
  value: create(JobSchema, { jobId: 'J1', action: 'start', status: JobStatus.WAITING_FOR_WORKER, reason: 'no room' }),
};

function withEvents(...scripts: Step[][]): FakeOrchestrator {
  const orchestrator = new FakeOrchestrator();
  orchestrator.eventScripts.push(...scripts);
  return orchestrator;
}

describe('events', () => {
  it('shows the last 50, one line each', async () => {
    const orchestrator = withEvents([
      event(1, bot(BotState.CRASH_LOOP, { exitCode: 1, reason: 'it \u001b[2J ended' })),
      event(2, job),
      event(3, bot(BotState.RUNNING), { notice: { code: 'MAX_RUNTIME_SOON', message: 'It ends in 10 minutes.' } }),
      event(4, bot(BotState.STOPPED), { deleted: true }),
    ]);
    expect(await runCli(['events'], { orchestrator })).toEqual({
      exitCode: 0,
      stdout: [
        '2026-11-22T15:00:00Z  b  crash_loop, exit code 1, it \\x1b[2J ended',
        '2026-11-22T15:00:00Z  b  start J1: waiting_for_worker, no room',
        '2026-11-22T15:00:00Z  b  It ends in 10 minutes.',
        '2026-11-22T15:00:00Z  b  deleted',
        '',
      ].join('\n'),
      stderr: '',
    });
    expect(orchestrator.eventRequests).toMatchObject([{ botId: '', last: 200, untilNow: true, includeJobs: true }]);
  });

  it('shows a bot that looks as before only once, and again after it looked otherwise or another line about it', async () => {
    const failed = bot(BotState.FAILED, { reason: 'it broke' });
    const steps = [failed, failed, failed, bot(BotState.PENDING), failed].map((each, index) => event(index, each));
    const { stdout } = await runCli(['events'], { orchestrator: withEvents(steps) });
    expect(stdout.split('\n').map((line) => line.slice(22))).toEqual([
      'b  failed, it broke',
      'b  pending',
      'b  failed, it broke',
      '',
    ]);
    const json = await runCli(['events', '--json'], { orchestrator: withEvents(steps) });
    expect(json.stdout.trimEnd().split('\n')).toHaveLength(5);
  });

  it('shows as many lines as were asked for, though some events show nothing', async () => {
    const states = [BotState.PENDING, BotState.STARTING, BotState.RUNNING, BotState.RUNNING, BotState.RUNNING];
    const orchestrator = withEvents(states.map((state, index) => event(index, bot(state))));
    const { stdout } = await runCli(['events', '-n', '2'], { orchestrator });
    expect(stdout).toBe('2026-11-22T15:00:00Z  b  starting\n2026-11-22T15:00:00Z  b  running\n');
    expect(orchestrator.eventRequests).toMatchObject([{ last: 8 }]);
    const many = withEvents([event(1, bot(BotState.RUNNING))]);
    await runCli(['events', '-n', '900'], { orchestrator: many });
    expect(many.eventRequests).toMatchObject([{ last: 1000 }]);
  });

  it('prints one JSON object per event, with its cursor', async () => {
    const orchestrator = withEvents([
      event(1, bot(BotState.RUNNING)),
      { watched: { resumeFrom: 'p9' } },
      event(2, job),
    ]);
    const { stdout } = await runCli(['events', '--bot', 'b', '--json', '-n', '2'], { orchestrator });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { kind: 'bot', event_id: 'e1', seq: 1, bot_seq: 1, bot_id: 'b', bot: { status: 'running' }, cursor: 'p1' },
      { kind: 'job', event_id: 'e2', job: { job_id: 'J1', status: 'waiting_for_worker' }, cursor: 'p2' },
    ]);
    expect(orchestrator.eventRequests).toMatchObject([{ botId: 'b', last: 2 }]);
  });

  it('follows, and continues after the last message when the connection breaks', async () => {
    const ending = new AbortController();
    const orchestrator = withEvents(
      [event(1, bot(BotState.PENDING)), { watched: { resumeFrom: 'p7' } }, { error: connectionLost() }],
      [{ error: connectionLost() }],
      [event(8, bot(BotState.RUNNING)), { call: () => ending.abort(new Interrupted()) }, 'silence'],
    );
    const told = await runCli(['events', '-f'], { orchestrator, signal: ending.signal });
    expect(told).toMatchObject({
      exitCode: 130,
      stdout: '2026-11-22T15:00:00Z  b  pending\n2026-11-22T15:00:00Z  b  running\n',
    });
    expect(told.stderr.match(/Connection lost; reconnecting/g)).toHaveLength(1);
    expect(orchestrator.eventRequests.map(({ resumeFrom }) => resumeFrom)).toEqual(['', 'p7', 'p7']);
    expect(orchestrator.eventRequests[0]).toMatchObject({ untilNow: false });
  });

  it('says that events are missing, and how the bots are instead', async () => {
    const bots = [create(BotSchema, { botId: 'b', state: BotState.RUNNING })];
    const snapshot = (reason: string): Step => ({
      watched: { update: { case: 'snapshot', value: { bots, reason } }, resumeFrom: 'p5' },
    });
    const missing = await runCli(['events', '--cursor', 'p1'], { orchestrator: withEvents([snapshot('Not kept.')]) });
    expect(missing.stdout).toBe('Not kept.\nnow  b  running\n');
    expect((await runCli(['events', '-n0'], { orchestrator: withEvents([snapshot('')]) })).stdout).toBe('');
    const json = await runCli(['events', '-n0', '--json'], { orchestrator: withEvents([snapshot('')]) });
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: 'snapshot', bots: [{ bot_id: 'b' }], cursor: 'p5' });
  });

  it('shows a refusal, and refuses wrong numbers before it connects', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.failNext('watchBots', refusal('BOT_NOT_FOUND', 'There is no bot named x.'));
    const told = await runCli(['events', '--bot', 'x', '-f'], { orchestrator });
    expect(told.exitCode).toBe(1);
    expect(told.stderr).toContain('There is no bot named x.');
    for (const words of [
      ['-n', '1001'],
      ['-n', 'many'],
      ['-n', '5', '--cursor', 'p1'],
    ]) {
      const quiet = new FakeOrchestrator();
      expect((await runCli(['events', ...words], { orchestrator: quiet })).exitCode).not.toBe(0);
      expect(quiet.calls).toEqual([]);
    }
  });
});
