/** A start that its user calls off has not failed; and what no worker ever had is settled at once. */
import { createClient } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { readEvents } from '../kit/event-reader.ts';
import { eventually } from '../kit/eventually.ts';
import {
  accepted,
  bot,
  connect,
  eachWithOrchestrator,
  job,
  orchestrator,
  simple,
  transport,
  untilFinal,
} from './played-workers.ts';

eachWithOrchestrator();

const jobs = () => createClient(JobService, transport('test-client-token'));

it.each(['waits for a worker', 'is at a worker'])('leaves a bot that is stopped, when it %s', async (when) => {
  const worker = when === 'is at a worker' ? await connect('w1') : undefined;
  const id = await accepted(simple('echo'));
  await worker?.take('ensure');
  using events = await reader();
  await jobs().cancelJob({ jobId: id });
  expect((await untilFinal(id)).status).toBe('cancelled');
  expect(await bot('echo')).toMatchObject({ exists: true, status: 'stopped' });
  await eventually(
    'the events are read',
    () => events.statuses(),
    (statuses) => statuses.includes('stopped'),
  );
  expect(events.statuses()).not.toContain('failed');
});

it.each(['stop', 'delete'])(
  'is called off by a %s, which is done at once where no worker had the bot',
  async (action) => {
    using events = await reader();
    const id = await accepted(simple('echo'));
    const ended = await accepted({ action, bot_id: 'echo' });
    expect((await job(ended)).status).toBe('completed');
    expect((await job(id)).status).toBe('cancelled');
    await eventually(
      'the last event is read',
      () => events.last(),
      (last) => last === (action === 'stop' ? 'stopped' : 'deleted'),
    );
    expect(events.statuses()).not.toContain('failed');
  },
);

async function reader() {
  const events = await readEvents(orchestrator.url, { query: '?jobs=0' });
  const ofBots = () => events.frames.filter(({ event }) => event === 'bot').map(({ data }) => data);
  return {
    statuses: () => ofBots().map(({ bot: shown }) => shown.status),
    last: () => (ofBots().at(-1)?.deleted ? 'deleted' : ofBots().at(-1)?.bot.status),
    [Symbol.dispose]: () => events.close(),
  };
}
