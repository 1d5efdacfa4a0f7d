import { execFile } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CountTarget, countArgs, countedAtOnce, countScript, readMeasures } from './count-script.ts';

const target = (id: string, more: Partial<CountTarget> = {}): CountTarget => ({
  id,
  pid: 1,
  isOld: false,
  namesMax: undefined,
  folders: [
    { path: '/l', kind: 'layer' },
    { path: '/d', kind: 'volume' },
  ],
  ...more,
});

describe('what the script says', () => {
  it('is added up for each container, deleted files where they are', () => {
    const output = `tools
0 begin 7.25
0 at l
1 begin 7.30
0 l 4096 3
0 at d
0 v 8192 5
0 dev v 65024
0 at o
0 dev l 71
0 open 8 71
0 open 16 65024
0 open 999 12
0 end 8.50
1 at l
1 l 1 1
1 at d
`;
    const rest = { isSized: false, dataFiles: 5, layerFiles: 3, isOld: false };
    expect(readMeasures([target('a'), target('b', { isOld: true })], output)).toEqual([
      {
        ...rest,
        containerId: 'a',
        dataBytes: 8192 + 16 * 512,
        layerBytes: 4096 + 8 * 512,
        uncountable: undefined,
        tookMs: 1250,
      },
      {
        ...rest,
        containerId: 'b',
        dataBytes: 0,
        layerBytes: 1,
        dataFiles: 0,
        layerFiles: 1,
        isOld: true,
        uncountable: 'data',
        tookMs: undefined,
      },
    ]);
  });

  it('has what an engine says of a layer that it does not show, unless that took too long', () => {
    const folders = [{ path: '/d', kind: 'sized' as const }];
    const output = 'tools\n0 begin 1.00\n0 at d\n0 s 4096 2\n0 at o\n0 end 1.10\n';
    const read = (layerBytes: number | 'late') => readMeasures([target('a', { folders, layerBytes })], output);
    expect(read(77)).toMatchObject([{ layerBytes: 77, dataBytes: 4096, isSized: true, uncountable: undefined }]);
    expect(read('late')).toMatchObject([{ layerBytes: 0, uncountable: 'layer' }]);
  });

  it('is nothing where the programs are of another kind', () => {
    expect(readMeasures([target('a')], '0 begin 1.00\n0 end 1.00\n')).toBeUndefined();
  });
});

describe('the script, with trees of files', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'count-'));
    mkdirSync(join(dir, 'bin'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const folder = (path: string): string => {
    const made = join(dir, 'm', path);
    mkdirSync(made, { recursive: true });
    return made;
  };
  /** A `find` that does this first, in the folder that it is to look through. */
  const findThat = (script: string) => {
    const path = join(dir, 'bin', 'find');
    writeFileSync(path, `#!/bin/sh\n${script}\nPATH=\${PATH#*:}\nexec find "$@"\n`);
    chmodSync(path, 0o755);
  };
  const count = async (targets: readonly CountTarget[], limitMs = 60_000) => {
    const args = countArgs({ root: join(dir, 'm'), limitMs, openMax: 50 }, targets);
    const env = { PATH: `${join(dir, 'bin')}:${process.env['PATH']}`, LC_ALL: 'C', DIR: dir };
    const { stdout } = await promisify(execFile)('sh', ['-c', countScript, 'sh', ...args], { env });
    return readMeasures(targets, stdout);
  };
  /** No process has such an id: only folders are counted. */
  const bot = (index: number, more: Partial<CountTarget> = {}) => target(`no-such-id-${dir}-${index}`, more);

  it('counts all that they have', async () => {
    const layer = folder('0/0');
    writeFileSync(join(layer, 'a'), Buffer.alloc(1024 * 1024, 1));
    linkSync(join(layer, 'a'), join(layer, 'b'));
    writeFileSync(join(folder('0/1'), 'a'), '');
    const [measure] = (await count([bot(0, { namesMax: 100 })])) ?? [];
    expect(measure).toMatchObject({ dataFiles: 2, layerFiles: 2, uncountable: undefined });
    expect(Math.floor((measure?.layerBytes ?? 0) / 1024 / 1024)).toBe(1);
  });

  it('looks no further once there are too many, and says how many at least', async () => {
    const many = folder('0/0');
    for (let n = 0; n < 60; n += 1) writeFileSync(join(many, String(n)), '');
    folder('0/1');
    const [measure] = (await count([bot(0, { namesMax: 50 })])) ?? [];
    expect(measure).toMatchObject({ layerFiles: 50, dataFiles: 1, uncountable: undefined });
  });

  it('keeps no bot waiting for another one that takes its time', async () => {
    // The first ends only when the last has begun, of as many as are counted at once.
    const last = countedAtOnce - 1;
    findThat(`case $1 in
      $DIR/m/0/0) until [ -e $DIR/begun ]; do sleep 0.05; done ;;
      $DIR/m/${last}/0) : > $DIR/begun ;;
    esac`);
    const folders = [{ path: '/l', kind: 'layer' as const }];
    const bots = Array.from({ length: countedAtOnce }, (_, index) => {
      folder(`${index}/0`);
      return bot(index, { folders, namesMax: 100 });
    });
    const measures = await count(bots);
    expect(measures?.map(({ uncountable, layerFiles }) => [uncountable, layerFiles])).toEqual(
      bots.map(() => [undefined, 1]),
    );
  });

  it('gives up one that cannot be counted in time, with all that it has begun, and says where that was', async () => {
    folder('0/0');
    folder('0/1');
    findThat('case $1 in $DIR/m/0/1) echo $$ > $DIR/pid; exec sleep 600 ;; esac');
    const [measure] = (await count([bot(0, { namesMax: 100 })], 1000)) ?? [];
    expect(measure).toMatchObject({ uncountable: 'data', tookMs: undefined });
    if (existsSync(join(dir, 'pid'))) {
      const pid = readFileSync(join(dir, 'pid'), 'utf8').trim();
      const isGone = () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
      await expect.poll(isGone).toBe(true);
    }
  });

  it('counts an open deleted file once, however often it is open, and no longer than it says little', async () => {
    // This process is the bot's.
    const grep = join(dir, 'bin', 'grep');
    writeFileSync(grep, `#!/bin/sh\necho /proc/${process.pid}/cgroup\n`);
    chmodSync(grep, 0o755);
    const folders = [{ path: '/d', kind: 'volume' as const }];
    const path = join(folder('0/0'), 'open');
    writeFileSync(path, Buffer.alloc(1024 * 1024, 1));
    const held = Array.from({ length: 3 }, () => openSync(path, 'r'));
    try {
      rmSync(path);
      const [few] = (await count([bot(0, { folders })])) ?? [];
      expect([few?.uncountable, Math.floor((few?.dataBytes ?? 0) / 1024 / 1024)]).toEqual([undefined, 1]);
      for (let n = 0; n < 60; n += 1) held.push(openSync(`/proc/self/fd/${held[0]}`, 'r'));
      expect(await count([bot(0, { folders })])).toMatchObject([{ uncountable: 'layer' }]);
    } finally {
      for (const fd of held) closeSync(fd);
    }
  });

  it('counts one as uncountable whose count fails, and the others all the same', async () => {
    // As when it takes more memory than there is.
    const path = join(dir, 'bin', 'du');
    writeFileSync(path, '#!/bin/sh\ncase $3 in $DIR/m/0/0) kill -9 $$ ;; esac\nPATH=${PATH#*:}\nexec du "$@"\n');
    chmodSync(path, 0o755);
    const folders = [{ path: '/l', kind: 'layer' as const }];
    folder('0/0');
    folder('1/0');
    expect(await count([bot(0, { folders }), bot(1, { folders })])).toMatchObject([
      { uncountable: 'layer' },
      { uncountable: undefined, layerFiles: 1 },
    ]);
  });
});
