import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { noneTaken } from '../strays.ts';
import { createCodeStore } from './code-store.ts';
import { createDataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';
import { createKnownContainers } from './known-containers.ts';
import { createOutputReader } from './output.ts';

const { signal } = new AbortController();

function frame(line: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(1);
  header.writeUInt32BE(Buffer.byteLength(line), 4);
  return Buffer.concat([header, Buffer.from(line)]);
}

/** An engine with the log of one container, of as many lines as are asked for. */
function engineWith(lines: readonly string[]) {
  const asked: unknown[] = [];
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    call: () => Promise.reject(new Error('nothing is called here')),
    async stream({ query = {} }) {
      asked.push(query['tail'] ?? 'all');
      return Readable.from([Buffer.concat(lines.slice(-Number(query['tail'] ?? lines.length)).map(frame))]);
    },
  };
  const known = createKnownContainers();
  known.set('c1', { isWhole: true, isPlain: true, volume: 'v' });
  const read = createOutputReader({
    engine,
    known,
    network: { name: 'bots', ensure: async () => '', ensureSeen: async () => {} },
    owner: { workerId: 'w1', signingKey: new Secret(new Uint8Array(32)), taken: noneTaken('w1') },
    clock: systemClock,
    logger: silentLogger,
    code: createCodeStore('/nonexistent'),
    owners: createDataOwners(engine, systemClock),
  });
  return { asked, read: (cursor?: string) => read('c1', cursor, 1_000_000, signal) };
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
  expect(asked).toEqual(['all', 100, 100, 100]);
  lines.splice(0, 2, lineAt(3));
  expect(await read(next.cursor)).toMatchObject({ lines: [{ text: 'line 3' }], gap: true });
});
