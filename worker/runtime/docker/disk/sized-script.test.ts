/** The script on files of a test's own, with a `losetup` that keeps its devices in a folder and writes down how often it was asked. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sizedScript } from './sized-script.ts';

let dir: string;
let links: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sized-'));
  links = join(dir, 'links', 'store');
  for (const name of ['disks', 'devices', 'bin']) mkdirSync(join(dir, name));
  mkdirSync(links, { recursive: true });
  program('losetup', losetup);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

// Each device is a link to its file, by the number of the device.
const losetup = `
cd "$DIR/devices"
echo "$*" >> "$DIR/calls"
device_of() { for d in *; do [ ! "$d" -ef "$1" ] || echo "/dev/loop$d"; done; }
case "$*" in
  *' -j '*) for file; do :; done; device_of "$file" ;;
  '--find --show '*)
    [ ! -e "$DIR/none" ] || { echo 'losetup: cannot find an unused loop device' >&2; exit 1; }
    [ -f "$3" ] || { echo "losetup: $3: failed to set up loop device: Is a directory" >&2; exit 1; }
    n=0; while [ -h $n ]; do n=$((n + 1)); done
    ln -s "$3" $n; echo "/dev/loop$n" ;;
  '-d '*) rm "\${2#/dev/loop}" ;;
  *NAME,BACK-INO,BACK-MAJ:MIN*)
    for d in *; do
      [ -h "$d" ] || continue
      echo "/dev/loop$d $(stat -L -c '   %i      %Hd:%Ld  ' "$d")"
    done
    # Of somebody else, on another disk.
    echo "/dev/loop99 $(stat -c %i "$DIR/disks/a.img") 7777:1" ;;
  *) exit 2 ;;
esac
`;

function program(name: string, script: string): void {
  writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${script}`);
  chmodSync(join(dir, 'bin', name), 0o755);
}

const file = (name: string): string => join(dir, 'disks', `${name}.img`);
const deviceOf = (name: string): string => readlinkSync(join(links, name));
const fileAt = (device: string): string => readlinkSync(join(dir, 'devices', device.slice('/dev/loop'.length)));
const calls = (): readonly string[] => readFileSync(join(dir, 'calls'), 'utf8').trim().split('\n');

function run(...jobs: readonly (readonly string[])[]): readonly string[] {
  const script = sizedScript.replaceAll('/disks', join(dir, 'disks')).replaceAll('/dev/bot_runner', join(dir, 'links'));
  const args = ['store', ...jobs.flatMap((job) => [String(job.length), ...job])];
  const env = { ...process.env, LC_ALL: 'C', DIR: dir, PATH: `${join(dir, 'bin')}:${process.env['PATH']}:/usr/sbin` };
  return execFileSync('sh', ['-c', script, 'sh', ...args], { env, encoding: 'utf8', timeout: 60_000 })
    .trim()
    .split('\n');
}

it('attaches what is not, and looks at the devices once for all files, however many there are', () => {
  const names = Array.from({ length: 12 }, (_, index) => `v${index}`);
  for (const name of ['a', ...names]) writeFileSync(file(name), name);
  expect(run(['make', 'a', '1', '1'])).toEqual(['#0 ok']);
  rmSync(join(dir, 'calls'));
  const sizes = ['a', ...names].map((name) => `${name}=${name.length}`).toSorted();
  const [answer = ''] = run(['all']);
  expect(answer.split(' ').slice(2).toSorted()).toEqual(sizes);
  for (const name of ['a', ...names]) expect(fileAt(deviceOf(name))).toBe(file(name));
  const looks = calls().filter((call) => !call.startsWith('--find') && !call.startsWith('-d '));
  expect(looks).toHaveLength(1);
  rmSync(join(dir, 'calls'));
  // All are attached: nothing is asked for a single file any more, but for the trial.
  run(['all']);
  expect(calls()).toHaveLength(3);
  expect(readdirSync(join(dir, 'devices'))).toHaveLength(names.length + 1);
});

it('attaches all others where one file cannot be attached, and says which one and why', () => {
  for (const name of ['a', 'z']) writeFileSync(file(name), name);
  mkdirSync(file('bad'));
  const lines = run(['all']);
  expect(lines.at(-1)?.split(' ').toSorted()).toEqual(['#0', 'a=1', 'ok', 'z=1']);
  expect(lines.slice(0, -1)).toEqual([expect.stringMatching(/^#0: without bad .*Is a directory/)]);
  expect([fileAt(deviceOf('a')), fileAt(deviceOf('z'))]).toEqual([file('a'), file('z')]);
});

it('leaves no link to a device that is gone: the next one under that number is of another bot', () => {
  for (const name of ['a', 'lost']) writeFileSync(file(name), name);
  run(['all']);
  for (const device of readdirSync(join(dir, 'devices'))) rmSync(join(dir, 'devices', device));
  rmSync(file('lost'));
  mkdirSync(file('bad'));
  symlinkSync('/dev/loop0', join(links, 'bad'));
  run(['all']);
  expect(readdirSync(links)).toEqual(['a']);
});

it('says why none can be made, by a trial that leaves nothing, and attaches what is there all the same', () => {
  writeFileSync(file('a'), 'a');
  expect(run(['all'])).toEqual(['#0 ok a=1']);
  program('mke2fs', `echo "mke2fs: invalid option -- 't'" >&2; exit 1`);
  expect(run(['all'])).toEqual(["#0: trial mke2fs: invalid option -- 't'", '#0 ok a=1']);
  program('mke2fs', 'exit 1');
  expect(run(['all'])).toEqual(['#0: trial mke2fs failed', '#0 ok a=1']);
  expect(readdirSync(join(dir, 'disks'))).toEqual(['a.img']);
  expect(readdirSync(join(dir, 'devices'))).toHaveLength(1);
  rmSync(join(dir, 'bin', 'mke2fs'));
  writeFileSync(join(dir, 'none'), '');
  writeFileSync(file('b'), 'b');
  const none = 'losetup: cannot find an unused loop device';
  expect(run(['all'])).toEqual([`#0: trial ${none}`, `#0: without b ${none}`, '#0 ok a=1']);
  expect(existsSync(join(dir, 'disks', 'trial.new'))).toBe(false);
});

it('attaches nothing while it cannot see what is attached', () => {
  writeFileSync(file('a'), 'a');
  program('losetup', 'echo "losetup: unrecognized option" >&2; exit 1');
  expect(run(['all']).at(-1)).toBe('#0 losetup: unrecognized option');
  expect(readdirSync(links)).toEqual([]);
});
