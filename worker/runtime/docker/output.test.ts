import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { eventually } from '../../../test/kit/eventually.ts';
import { createManualClock } from '../../../test/kit/manual-clock.ts';
import { noLostRuns } from '../../../test/kit/no-lost-runs.ts';
import { openFirewall } from '../../../test/kit/open-firewall.ts';
import { plainIsolation } from '../../../test/kit/plain-isolation.ts';
import { wideDisk } from '../../../test/kit/wide-disk.ts';
import { signedLabels } from '../labels.ts';
import { noneTaken } from '../strays.ts';
import { createCodeStore } from './code-store.ts';
import type { ContainerDeps } from './containers.ts';
import { createDataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';
import { createKnownContainers } from './known-containers.ts';
import { createBotNetworks } from './network.ts';
import { createOutputReader, watchContainerOutput } from './output.ts';
import { defaultSubnets } from './subnets.ts';

const { signal } = new AbortController();

/** A line that begins with `!` is one of stderr. */
function frame(text: string): Buffer {
  const header = Buffer.alloc(8);
  const isError = text.startsWith('!');
  const line = isError ? text.slice(1) : text;
  header.writeUInt8(isError ? 2 : 1);
  header.writeUInt32BE(Buffer.byteLength(line), 4);
  return Buffer.concat([header, Buffer.from(line)]);
}

const signingKey = new Secret(new Uint8Array(32));
const startedAt = '2026-11-28T10:00:00.000Z';
const identity = { key: { userId: 'ana', botId: 'echo' }, workerId: 'w1', revision: 1n, epoch: 1n, startedAt };
/** As the engine shows a container that has ended. */
const ended = {
  Id: 'c1',
  Name: '/bot',
  Config: { Labels: signedLabels(signingKey, 'bot', identity) },
  State: { Status: 'exited' },
};

function depsWith(engine: EngineClient): ContainerDeps {
  const known = createKnownContainers();
  known.set('c1', { isWhole: true, isPlain: true, userId: 'dev', volume: 'v', isSure: true });
  return {
    engine,
    known,
    networks: createBotNetworks(engine, { base: 'bots', workerId: 'w1', subnets: defaultSubnets }, silentLogger),
    firewall: openFirewall(),
    owner: { workerId: 'w1', signingKey, taken: noneTaken('w1') },
    clock: systemClock,
    logger: silentLogger,
    ...plainIsolation,
    code: createCodeStore('/nonexistent', new Secret(new Uint8Array(32))),
    owners: createDataOwners(engine, systemClock),
    disk: wideDisk(),
    lostRuns: noLostRuns(),
  };
}

/** An engine with the log of one container that has ended, of as many lines as are asked for. */
function engineWith(lines: readonly string[], maxBytes = 1_000_000) {
  const asked: unknown[] = [];
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    call: async () => ended,
    async stream({ query = {} }) {
      asked.push(query['tail'] ?? 'all');
      return Readable.from([Buffer.concat(lines.slice(-Number(query['tail'] ?? lines.length)).map(frame))]);
    },
  };
  const read = createOutputReader(depsWith(engine));
  return { asked, read: (cursor?: string) => read('c1', cursor, maxBytes, signal) };
}

const lineAt = (second: number): string =>
  `2026-11-28T10:00:${String(second).padStart(2, '0')}.000000000Z line ${second}\n`;

it('asks once about a log of few lines, also when the last line is the first one', async () => {
  const lines = [lineAt(1)];
  const { asked, read } = engineWith(lines);
  const first = await read();
  expect(first.lines.map(({ text }) => text)).toEqual(['line 1']);
  expect(await read(first.cursor)).toMatchObject({ lines: [], gap: false, more: false });
  lines.push(lineAt(2));
  const next = await read(first.cursor);
  expect(next).toMatchObject({ lines: [{ text: 'line 2' }], gap: false });
  expect(await read(next.cursor)).toMatchObject({ lines: [], gap: false });
  expect(asked).toEqual(['all', 20, 20, 20]);
  lines.splice(0, 2, lineAt(3));
  expect(await read(next.cursor)).toMatchObject({ lines: [{ text: 'line 3' }], gap: true });
});

/** A log of more lines than a look asks for at first, all printed within 200 ms. */
const burst = Array.from({ length: 150 }, (_, n) => `2026-11-28T10:00:00.${100 + n}000000Z line ${100 + n}\n`);

it('gives out what an ended container left without a line end, also when only the whole log shows that it is new', async () => {
  const { read } = engineWith([...burst, '!2026-11-28T10:00:00.250000000Z Killed']);
  const { cursor } = await engineWith(burst).read();
  const last = await read(cursor);
  expect(last).toMatchObject({ lines: [{ text: 'Killed' }], gap: false, more: false });
  expect(await read(last.cursor)).toMatchObject({ lines: [], gap: false, more: false });
});

it('never says that there is more without giving something, also when a batch ends where a look has to', async () => {
  const size = 'line 100\n'.length;
  const { read } = engineWith([...burst, '!2026-11-28T10:00:00.250000000Z Traceback\n'], 90 * size);
  const { cursor } = await engineWith(burst.slice(0, 60)).read();
  const full = await read(cursor);
  expect([full.lines.length, full.more]).toEqual([90, true]);
  expect(await read(full.cursor)).toMatchObject({ lines: [{ text: 'Traceback' }], gap: false, more: false });
});

it('is called for output, closes the stream of a flood instead of reading it through, and opens another one after a while', async () => {
  const clock = createManualClock();
  const opened: Readable[] = [];
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    call: async () => ended,
    async stream({ query = {} }) {
      expect(query).toMatchObject({ follow: true, tail: '0' });
      opened.push(new Readable({ read: () => undefined }));
      return opened.at(-1) ?? Readable.from([]);
    },
  };
  let rings = 0;
  const over = new AbortController();
  const ring = () => {
    rings += 1;
  };
  const watching = watchContainerOutput({ ...depsWith(engine), clock }, 'c1', ring, over.signal);
  const streamsAndRings = (streams: number, least: number) =>
    eventually(
      `${streams} streams and ${least} rings`,
      () => [opened.length, rings],
      ([found = 0, rung = 0]) => found === streams && rung >= least,
    );
  await streamsAndRings(1, 0);
  opened[0]?.push(Buffer.alloc(100));
  await streamsAndRings(1, 1);
  expect(opened[0]?.destroyed).toBe(false);
  opened[0]?.push(Buffer.alloc(16 * 1024));
  await eventually(
    'the stream of the flood is closed',
    () => opened[0]?.destroyed,
    (closed) => closed === true,
  );
  expect(opened.length).toBe(1);
  const before = rings;
  await clock.advanceSettled(250);
  await streamsAndRings(2, before + 1);
  opened[1]?.push(Buffer.alloc(100));
  await streamsAndRings(2, before + 2);
  over.abort();
  opened[1]?.destroy();
  await watching;
});
