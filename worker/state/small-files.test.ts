/** What the worker remembers on a disk that somebody else fills: a small file system of its own, where one can be mounted. */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import { mountSmallDisk, type SmallDisk } from '../../test/kit/small-disk.ts';
import { SpareRoom } from './small-files.ts';

describe('small files', () => {
  let disk: SmallDisk | undefined;
  let files: SpareRoom;
  let clock: ReturnType<typeof createManualClock>;
  let log: ReturnType<typeof createRecordingLogger>;
  const at = (name: string) => join(disk?.path ?? '', 'w', name);
  const read = async (name: string) => (await readFile(at(name))).toString();
  const open = () => SpareRoom.open({ dir: at(''), clock, logger: log.logger, halfBytes: 32 * 1024 });

  beforeEach(async ({ skip }) => {
    disk = mountSmallDisk(1);
    if (disk === undefined) return skip('no file system can be mounted here');
    clock = createManualClock();
    log = createRecordingLogger();
    await mkdir(at('bots'), { recursive: true });
    files = await open();
    await files.write(at('bots/a.json'), 'a1');
  });
  afterEach(() => disk?.[Symbol.dispose]());

  it('are written on a full disk, and in their place once there is room, with one line about each', async () => {
    disk?.fill();
    for (let n = 2; n < 40; n += 1) await files.write(at('bots/a.json'), `a${n}`);
    await files.write(at('bots/b.json'), 'b1');
    await clock.advanceSettled(60_000);
    expect(await read('bots/a.json')).toBe('a1');
    disk?.empty();
    await clock.advanceSettled(2_000);
    await files.close();
    expect([await read('bots/a.json'), await read('bots/b.json')]).toEqual(['a39', 'b1']);
    expect(log.lines).toEqual([
      expect.stringContaining('error the disk that holds DATA_DIR is full'),
      'info the disk that holds DATA_DIR has room again',
    ]);
  });

  it('survive the end of the process on the full disk, and nothing that was removed comes back', async () => {
    disk?.fill();
    for (const [name, text] of [
      ['a', 'a2'],
      ['b', 'b1'],
      ['c', 'c1'],
    ] as const) {
      await files.write(at(`bots/${name}.json`), text);
    }
    await files.remove(at('bots/b.json'));
    // Killed: nothing of it runs on.
    disk?.empty();
    files = await open();
    expect(await readdir(at('bots'))).toEqual(['a.json', 'c.json']);
    expect([await read('bots/a.json'), await read('bots/c.json')]).toEqual(['a2', 'c1']);
    await files.write(at('bots/a.json'), 'a3');
    await files.close();
    await (await open()).close();
    expect(await read('bots/a.json')).toBe('a3');
  });

  it('are those of the write before, if the process was killed within one', async () => {
    disk?.fill();
    await files.write(at('bots/a.json'), 'a2');
    const before = await readFile(at('spare'));
    await files.write(at('bots/a.json'), 'a3');
    const after = await readFile(at('spare'));
    disk?.empty();
    // The half that was written last, torn in its middle.
    const torn = Buffer.from(after);
    for (let n = 0, changed = 0; n < torn.length && changed < 20; n += 1) {
      if (torn[n] === before[n]) continue;
      torn[n] = 0xff;
      changed += 1;
    }
    await writeFile(at('spare'), torn);
    await (await open()).close();
    expect(await read('bots/a.json')).toBe('a2');
    await rm(at('spare'));
    await copyFile(at('bots/a.json'), at('spare'));
    // A spare that is none is replaced.
    await (await open()).close();
    expect(await read('bots/a.json')).toBe('a2');
  });

  it('that are too many for the spare are refused, and written later all the same', async () => {
    disk?.fill();
    const large = 'x'.repeat(20 * 1024);
    await files.write(at('bots/a.json'), large);
    await expect(files.write(at('bots/b.json'), large)).rejects.toMatchObject({ code: 'ENOSPC' });
    disk?.empty();
    await files.close();
    expect([await read('bots/a.json'), await read('bots/b.json')]).toEqual([large, large]);
  });
});
