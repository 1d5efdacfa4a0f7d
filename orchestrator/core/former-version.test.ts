import { expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import { newBot } from './bot/decided.ts';
import { changed } from './bot/record.ts';
import { tellFormer } from './former-version.ts';
import type { BotRecord, UndoPoint } from './records.ts';

const failure = problem('BUILD_FAILED', 'The image could not be built.');
const shape = { mode: 'simple', memoryBytes: 1, cpuMillis: 1 };
const ran = changed(newBot({ userId: 'ann', botId: 'echo' }, shape, 1), {
  specSealed: new Uint8Array(1),
  revision: 1,
  desired: 'running',
  state: 'running',
});
const undo: UndoPoint = { desired: 'running', revision: 1, specSealed: ran.specSealed, wasUp: true };
const tell = (
  action: 'start' | 'update' | 'stop',
  before: BotRecord | undefined,
  after = before,
  workerSaid = true,
) => {
  const told = tellFormer(failure, { action }, { before, after, workerSaid });
  return [told.details['former_version'], told.message.slice(failure.message.length).trim()];
};

it('says of an update that its worker gave up that the version before runs', () => {
  expect(tell('update', changed(ran, { undo }), ran)).toEqual(['running', 'The previous version is still running.']);
  expect(tell('start', changed(ran, { undo }), ran)).toEqual(['running', 'The previous version is still running.']);
});

it('says no more than is known when the job was ended from here', () => {
  expect(tell('update', changed(ran, { undo }), ran, false)).toEqual(['kept', 'The previous version is kept.']);
});

it('does not call running what was not', () => {
  const crashing = changed(ran, { state: 'crash_loop' });
  expect(tell('update', changed(crashing, { undo: { ...undo, wasUp: false } }), crashing)[0]).toBe('crash_loop');
  expect(tell('update', changed(ran, { undo }), changed(ran, { desired: 'stopped', state: 'stopped' }))[0]).toBe(
    'not_running',
  );
});

it('says nothing where there was no version before, or the job is no deployment', () => {
  const first = changed(ran, { revision: 0, specSealed: null });
  expect(tell('start', undefined)).toEqual([undefined, '']);
  expect(tell('start', changed(first, { undo: { ...undo, revision: 0, specSealed: null } }), first)).toEqual([
    undefined,
    '',
  ]);
  expect(tell('stop', ran)).toEqual([undefined, '']);
});
