/** Events across SIGKILL of the real orchestrator: what was sent before continues after, for a stream and for NATS. */
import { fromBinary } from '@bufbuild/protobuf';
import { connect } from 'nats';
import { expect, it } from 'vitest';
import { EventSchema } from '#gen/botrunner/v1/event_pb.js';
import { type EventReader, readEvents } from '../kit/event-reader.ts';
import { eventually as eventuallyWithin } from '../kit/eventually.ts';
import { createNatsServer } from '../kit/nats/nats-server.ts';
import { startOrchestratorProgram } from '../kit/orchestrator-program.ts';

/** Generous: the machine of the tests is a busy one. */
const eventually: typeof eventuallyWithin = (what, read, holds, options = {}) =>
  eventuallyWithin(what, read, holds, { timeoutMs: 30_000, ...options });

const login = { user: 'runner', pass: 'canary-secret' };

it('a follower and a plain NATS subscriber miss nothing when the orchestrator is killed three times', async () => {
  const nats = await createNatsServer({ login });
  await nats.start();
  const subscriber = await connect({ servers: `127.0.0.1:${nats.port}`, ...login });
  const onNats: { id: string; seq: number }[] = [];
  const subscription = subscriber.subscribe('botrunner.v1.events.>');
  void (async () => {
    for await (const { data } of subscription) {
      const { eventId, seq } = fromBinary(EventSchema, data);
      onNats.push({ id: eventId, seq: Number(seq) });
    }
  })();
  await subscriber.flush();
  const orchestrator = await startOrchestratorProgram({ NATS_URL: nats.url, MAX_BOTS_PER_USER: '100' });
  try {
    const seen: { id: string; seq: number; kind: string }[] = [];
    let reader: EventReader = await readEvents(orchestrator.url);
    const take = () => {
      for (const { data } of reader.frames)
        if (data.kind) seen.push({ id: data.event_id, seq: data.seq, kind: data.kind });
    };
    for (let round = 0; round < 3; round++) {
      const requests = Array.from({ length: 10 }, async (_, n) => {
        const bot = { bot_id: `bot-${n}` };
        try {
          await orchestrator.post({ action: 'start', deployment_mode: 'simple', code: 'print(1)', ...bot });
          await orchestrator.post({ action: 'stop', ...bot });
        } catch {
          // Killed in between: the events will show whether this one was taken.
        }
      });
      await eventually(
        'events come',
        () => reader.frames.length,
        (count) => count > 5 * round,
        { timeoutMs: 30_000 },
      );
      await orchestrator.kill();
      await Promise.all(requests);
      await reader.ended.catch(() => undefined);
      take();
      const place = reader.lastId();
      await orchestrator.start();
      reader = await readEvents(orchestrator.url, { lastEventId: place });
    }
    const last = await orchestrator.post({
      action: 'start',
      bot_id: 'last',
      deployment_mode: 'simple',
      code: 'print(1)',
    });
    expect(last.status).toBe(202);
    const all = await readEvents(orchestrator.url, { query: '?last=1000' });
    await eventually(
      'the last one',
      () => all.frames,
      (frames) => frames.some(({ data }) => data.bot?.bot_id === 'last'),
    );
    const newest = () => Math.max(...all.frames.map(({ data }) => data.seq));
    await eventually(
      'the follower has all',
      () => reader.frames.at(-1)?.data.seq,
      (seq) => seq === newest(),
    );
    take();
    const expected = all.frames.map(({ data }) => ({ id: data.event_id, seq: data.seq, kind: data.kind }));
    expect(seen).toEqual(expected.filter(({ seq }) => seq >= (seen[0]?.seq ?? 0)));
    const ofBots = expected.filter(({ kind }) => kind === 'bot').map(({ id }) => id);
    await eventually(
      'NATS has all of them',
      () => ofBots.filter((id) => !onNats.some((event) => event.id === id)),
      (missing) => missing.length === 0,
      { timeoutMs: 30_000 },
    );
    for (const text of [orchestrator.log()]) expect(text).not.toContain(login.pass);
    reader.close();
    all.close();
  } finally {
    await subscriber.close();
    await orchestrator[Symbol.asyncDispose]();
    await nats.remove();
  }
}, 180_000);

it('a wrong login of NATS is reported in the log without the login, once, and holds nobody up', async () => {
  const nats = await createNatsServer({ login });
  await nats.start();
  const url = nats.url.replace(login.pass, 'canary-wrong');
  const orchestrator = await startOrchestratorProgram({ NATS_URL: url });
  try {
    const warned = () =>
      orchestrator
        .log()
        .split('\n')
        .filter((line) => line.includes('NATS is unreachable'));
    await eventually('a warning', warned, (lines) => lines.length > 0, { timeoutMs: 30_000 });
    expect((await orchestrator.post({ action: 'list' })).status).toBe(202);
    expect(warned()[0]).toContain(`127.0.0.1:${nats.port}`);
    expect(warned()[0]?.toLowerCase()).toContain('authorization');
    expect(orchestrator.log()).not.toContain('canary');
    expect(orchestrator.log()).not.toContain(login.user);
  } finally {
    await orchestrator[Symbol.asyncDispose]();
    await nats.remove();
  }
}, 60_000);
