import { expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import type { BotRecord } from '../core/records.ts';
import { tellFormer } from './former-version.ts';

const failure = problem('BUILD_FAILED', 'The image could not be built.');
const ran = {
  specSealed: new Uint8Array(1),
  revision: 1,
  desired: 'running',
  state: 'running',
  undo: null,
} as BotRecord;
const undo = { desired: 'running', revision: 1, specSealed: ran.specSealed, wasUp: true } as BotRecord['undo'];
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
  expect(tell('update', { ...ran, undo }, ran)).toEqual(['running', 'The version before still runs.']);
  expect(tell('start', { ...ran, undo }, ran)).toEqual(['running', 'The version before still runs.']);
});

it('says no more than is known when the job was ended from here', () => {
  expect(tell('update', { ...ran, undo }, ran, false)).toEqual(['kept', 'The version before is kept.']);
});

it('does not call running what was not', () => {
  const crashing = { ...ran, state: 'crash_loop' } as BotRecord;
  expect(tell('update', { ...crashing, undo: { ...undo, wasUp: false } as BotRecord['undo'] }, crashing)[0]).toBe(
    'crash_loop',
  );
  expect(tell('update', { ...ran, undo }, { ...ran, desired: 'stopped', state: 'stopped' })[0]).toBe('not_running');
});

it('says nothing where there was no version before, or the job is no deployment', () => {
  const first = { ...ran, revision: 0, specSealed: null } as BotRecord;
  expect(tell('start', undefined)).toEqual([undefined, '']);
  expect(
    tell('start', { ...first, undo: { ...undo, revision: 0, specSealed: null } as BotRecord['undo'] }, first),
  ).toEqual([undefined, '']);
  expect(tell('stop', ran)).toEqual([undefined, '']);
});
