import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { EngineUnavailableError, type OutputBatch } from '../runtime/container-runtime.ts';
import { BotLog } from './bot-log.ts';
import { LogStream, type StoredEntry } from './log-entry.ts';
import { readLog } from './log-reader.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bot-log-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const never = new AbortController().signal;

/** The output of one container; `dropped` lines are lost at its beginning. */
function sourceForTests() {
  const lines: string[] = [];
  const bells = new Set<() => void>();
  const source = {
    dropped: 0,
    away: false,
    reads: 0,
    print(...texts: string[]) {
      lines.push(...texts);
      for (const ring of bells) ring();
    },
    async readOutput(_id: string, cursor: string | undefined): Promise<OutputBatch> {
      source.reads += 1;
      if (source.away) throw new EngineUnavailableError('gone');
      const from = Number(cursor ?? '0');
      const start = Math.max(from, source.dropped);
      const end = Math.min(start + 10, lines.length);
      return {
        lines: lines.slice(start, end).map((text) => ({ timeNs: 5n, stream: 'stderr' as const, text })),
        cursor: String(end),
        gap: start > from,
        more: end < lines.length,
      };
    },
    async watchOutput(_id: string, ring: () => void, signal: AbortSignal): Promise<void> {
      bells.add(ring);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      bells.delete(ring);
    },
  };
  return source;
}

async function entriesOf(log: BotLog): Promise<StoredEntry[]> {
  const store = await log.store();
  const entries: StoredEntry[] = [];
  const options = { follow: false, clock: systemClock, signal: never };
  for await (const batch of readLog(store, { afterSeq: 0, sameLog: true }, options)) entries.push(...batch);
  return entries;
}
const textsOf = async (log: BotLog) => (await entriesOf(log)).map(({ text }) => text);

const open = (source: ReturnType<typeof sourceForTests>, folder = dir) =>
  new BotLog(folder, { runtime: source, clock: systemClock, logger: silentLogger });

describe('the log of a bot', () => {
  it('gets output as the bell rings, with its stream, and survives an engine that is away', async () => {
    const source = sourceForTests();
    const log = open(source);
    log.setSecrets([]);
    await log.follow('c1');
    source.print('one', 'two');
    await eventually(
      'both are stored',
      () => textsOf(log),
      (texts) => texts.length === 2,
      { timeoutMs: 1500 },
    );
    expect((await entriesOf(log))[0]).toMatchObject({ stream: LogStream.STDERR, timeNs: 5n });
    source.away = true;
    source.print('three');
    await eventually(
      'it was tried',
      () => source.reads,
      (reads) => reads > 3,
    );
    source.away = false;
    await eventually(
      'it is stored',
      () => textsOf(log),
      (texts) => texts.includes('three'),
    );
    expect(await textsOf(log)).toEqual(['one', 'two', 'three']);
    await log.close();
  });

  it('marks where the engine had lost lines, once', async () => {
    const source = sourceForTests();
    const log = open(source);
    log.setSecrets([]);
    source.print('one');
    await log.drain('c1', never);
    source.print('two', 'three');
    source.dropped = 2;
    await log.drain('c1', never);
    await log.drain('c1', never);
    expect((await entriesOf(log)).map(({ stream, text }) => [LogStream[stream], text])).toEqual([
      ['STDERR', 'one'],
      ['GAP', 'lines are missing here; the container engine no longer had them'],
      ['STDERR', 'three'],
    ]);
    await log.close();
  });

  it('drains everything, with one that follows and one that does not, and never a line twice', async () => {
    const source = sourceForTests();
    const log = open(source);
    log.setSecrets([]);
    await log.follow('c1');
    const wanted = Array.from({ length: 95 }, (_, n) => `line ${n}`);
    source.print(...wanted);
    await Promise.all([log.drain('c1', never), log.drain('c1', never)]);
    expect(await textsOf(log)).toEqual(wanted);
    await log.unfollow();
    source.print('last');
    await log.drain('c1', never);
    expect(await textsOf(log)).toEqual([...wanted, 'last']);
    await log.close();
  });

  it('begins a new container from its beginning', async () => {
    const source = sourceForTests();
    const log = open(source);
    log.setSecrets([]);
    source.print('x');
    await log.drain('c1', never);
    await log.drain('c2', never);
    await log.drain('c2', never);
    expect(await textsOf(log)).toEqual(['x', 'x']);
    await log.close();
  });

  it('stores no output before it knows what to mask, and says so when it must go', async () => {
    const source = sourceForTests();
    const log = open(source);
    source.print('password hunter2hunter2');
    await log.follow('c1');
    await log.drain('c1', never);
    expect(await textsOf(log)).toEqual([
      'output is missing here; it was not stored because its secrets could not be masked',
    ]);
    log.setSecrets(['hunter2hunter2']);
    await eventually(
      'the output comes',
      () => textsOf(log),
      (texts) => texts.includes('password [masked]'),
    );
    await log.close();
  });

  it('masks what builds print, and gives the last lines of the bot alone', async () => {
    const source = sourceForTests();
    const log = open(source);
    log.setSecrets(['hunter2hunter2']);
    const { entries } = await log.write(LogStream.BUILD, ['using hunter2hunter2']);
    expect(entries).toMatchObject([{ seq: 1, text: 'using [masked]' }]);
    const fromSeq = await log.nextSeq();
    await log.note('starting');
    source.print(...Array.from({ length: 30 }, (_, n) => `line ${n}`));
    await log.drain('c1', never);
    const last = await log.lastLines(fromSeq, 20, never);
    expect(last.entries.map(({ text }) => text)).toEqual(Array.from({ length: 20 }, (_, n) => `line ${n + 10}`));
    await log.close();
  });

  it('starts over after it was removed', async () => {
    const log = open(sourceForTests());
    await log.note('before');
    const { id } = await log.store();
    await log.remove();
    await log.note('after');
    expect(await textsOf(log)).toEqual(['after']);
    expect((await log.store()).id).not.toBe(id);
    await log.close();
  });
});
