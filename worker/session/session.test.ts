import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import {
  DesiredChangesSchema,
  DesiredSetSchema,
  HeartbeatSchema,
  HelloSchema,
  StraysSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { type ScriptedOrchestrator, startScriptedOrchestrator } from '../../test/worker/kit/scripted-orchestrator.ts';
import { type Channel, createChannel } from './channel.ts';
import { Outbox } from './outbox.ts';
import { SentResults } from './sent-results.ts';
import { runSession } from './session.ts';
import type { SessionEnd } from './session-end.ts';
import type { WorkerCommands } from './worker-commands.ts';

let orchestrator: ScriptedOrchestrator;
let channel: Channel;
beforeEach(async () => {
  orchestrator = await startScriptedOrchestrator();
  const endpoint = { url: orchestrator.url, target: orchestrator.address, tls: false, loopback: true };
  channel = createChannel(endpoint, new Secret('a-token'), () => null);
});
afterEach(() => {
  channel.close();
  orchestrator.kill();
});

const never = new AbortController().signal;
const noResults = { pending: [], get: () => undefined, acknowledge: () => undefined };

function begin(work: Partial<WorkerCommands> = {}, signal = never) {
  const clock = createManualClock();
  const heard: string[] = [];
  const outbox = new Outbox();
  const commands: WorkerCommands = {
    hello: () => create(HelloSchema, { workerId: 'w' }),
    heartbeat: () => create(HeartbeatSchema, { ready: true }),
    objectionTo: () => undefined,
    hold: () => undefined,
    strays: () => create(StraysSchema),
    applyDesiredSet: () => void heard.push('set'),
    applyDesiredChanges: () => heard.push('changes') > 0,
    desiredVersion: () => 0n,
    ensure: () => void heard.push('ensure'),
    cancelTask: () => void heard.push('cancel'),
    observationOf: () => undefined,
    openTail: () => void heard.push('tail'),
    adopt: () => void heard.push('adopt'),
    ...work,
  };
  const results = new SentResults(noResults, outbox, clock);
  const onWelcome = () => void heard.push('welcomed');
  const parts = { channel, outbox, results, commands, onWelcome, clock, logger: silentLogger };
  let end: SessionEnd | undefined;
  const over = runSession(parts, signal).then((how) => {
    end = how;
    return how;
  });
  return { clock, heard, outbox, over, end: () => end };
}

const untilHeard = (heard: string[], what: string) =>
  eventually(
    `${what} is heard`,
    () => heard,
    (list) => list.includes(what),
  );

describe('a session', () => {
  it('that receives nothing for 20 s is over', async () => {
    const { clock, heard, over, end } = begin();
    await untilHeard(heard, 'welcomed');
    const session = await orchestrator.session(0);
    clock.advance(15_000);
    session.send({ case: 'desiredSet', value: create(DesiredSetSchema) });
    await untilHeard(heard, 'set');
    clock.advance(19_900);
    expect(end()).toBeUndefined();
    clock.advance(200);
    expect(await over).toEqual({ kind: 'lost', message: 'nothing was received for 20 s', welcomed: true });
    expect(clock.pendingTimers()).toBe(0);
  });

  it('asks for the whole set when changes do not fit it, and continues', async () => {
    const { heard, end } = begin({
      applyDesiredChanges: ({ baseVersion }) => baseVersion === 7n,
      desiredVersion: () => 7n,
    });
    await untilHeard(heard, 'welcomed');
    const session = await orchestrator.session(0);
    session.send({ case: 'desiredChanges', value: create(DesiredChangesSchema, { baseVersion: 7n, version: 8n }) });
    session.send({ case: 'desiredChanges', value: create(DesiredChangesSchema, { baseVersion: 9n, version: 10n }) });
    expect(await session.hear('desiredSetWanted')).toMatchObject({ version: 7n });
    session.send({ case: 'desiredSet', value: create(DesiredSetSchema, { version: 10n }) });
    await untilHeard(heard, 'set');
    expect(session.heard.filter(({ body }) => body.case === 'desiredSetWanted')).toHaveLength(1);
    expect(end()).toBeUndefined();
  });

  it('that is not answered at all is over too', async () => {
    orchestrator.welcome = undefined;
    const { clock, over } = begin();
    await orchestrator.session(0);
    clock.advance(20_000);
    expect(await over).toMatchObject({ kind: 'lost', welcomed: false });
  });

  it('ends whole when a message cannot be handled', async () => {
    const { over } = begin({
      applyDesiredSet() {
        throw new Error('bug');
      },
    });
    const session = await orchestrator.session(0);
    session.send({ case: 'desiredSet', value: create(DesiredSetSchema) });
    expect(await over).toMatchObject({ kind: 'lost', message: 'a message could not be handled' });
    await eventually('the orchestrator sees the end', () => session.over, Boolean);
  });

  it('ends on request, and the orchestrator sees it', async () => {
    const controller = new AbortController();
    const { heard, over } = begin({}, controller.signal);
    await untilHeard(heard, 'welcomed');
    controller.abort();
    expect(await over).toMatchObject({ kind: 'lost' });
    const session = await orchestrator.session(0);
    await eventually('the orchestrator sees the end', () => session.over, Boolean);
  });

  it('keeps heartbeats within sane bounds whatever the orchestrator sends', async () => {
    orchestrator.welcome = { heartbeatIntervalMs: 0 };
    const { clock, heard } = begin();
    await untilHeard(heard, 'welcomed');
    const session = await orchestrator.session(0);
    await session.hear('heartbeat', 0);
    clock.advance(1000);
    await session.hear('heartbeat', 1);
    expect(session.heard.filter(({ body }) => body.case === 'heartbeat').length).toBeLessThanOrEqual(11);
  });

  it('to nobody is lost at once', async () => {
    orchestrator.kill();
    expect(await begin().over).toMatchObject({ kind: 'lost', welcomed: false });
  });
});
