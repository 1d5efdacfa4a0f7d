import { expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { createManualClock } from '../../../../test/kit/manual-clock.ts';
import { createRecordingLogger } from '../../../../test/kit/recording-logger.ts';
import type { BuildEngine, BuildEngines } from '../build-engine.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { type BuilderChoice, createChosenBuilder } from './choose-builder.ts';
import type { SeparateBuilders } from './separate-builder.ts';

const signal = AbortSignal.timeout(60_000);

function choose(choice: Pick<BuilderChoice, 'setting'> & { podman?: boolean; has?: boolean; host?: boolean }) {
  const state = { has: choice.has ?? false, ready: [] as string[], fails: (_userId: string) => false };
  const clock = createManualClock();
  const engine = {
    kind: async () => (choice.podman ? 'podman' : 'docker'),
    call: async () => {
      if (!state.has) throw new EngineRefusal(404, 'no such image');
      return { RepoTags: [] };
    },
  } as Partial<EngineClient> as EngineClient; // nothing else of it is asked for
  const named = (name: string): BuildEngines => ({
    during: (_userId, _signal, work) => work({ name } as Partial<BuildEngine> as BuildEngine), // only told apart
  });
  const separate: SeparateBuilders = {
    during: async (userId, _signal, work) => {
      await separate.ready(userId, signal);
      return work({ name: 'separate' } as Partial<BuildEngine> as BuildEngine, undefined); // as above
    },
    limits: { memoryBytes: 1, cpuMillis: 1, diskBytes: 1 },
    ready: async (userId) => {
      state.ready.push(userId);
      if (state.fails(userId)) throw new ProblemError(problem('CONTAINER_ERROR', 'It could not be made.'));
    },
    sweep: async () => {},
    close: async () => {},
  };
  const { logger, lines } = createRecordingLogger();
  const builders = createChosenBuilder({
    engine,
    setting: choice.setting,
    image: 'docker:dind',
    own: named('own'),
    separate,
    host: choice.host ? named('host') : undefined,
    clock,
    logger,
  });
  const used = (userId = 'alice') =>
    builders.during(userId, signal, async (builder) => (builder as unknown as { name: string }).name); // as made above
  return { used, state, clock, lines, kind: builders.kind };
}

it('unset, the bots’ engine builds until it has the image of a builder, and one line says so', async () => {
  const { used, state, lines } = choose({ setting: undefined });
  expect([await used(), await used()]).toEqual(['own', 'own']);
  expect(lines.filter((line) => line.includes('docker pull docker:dind'))).toHaveLength(1);
  state.has = true;
  expect(await used()).toBe('separate');
});

it('unset, the bots’ engine builds where no builder can be made, which is tried again after a while', async () => {
  const { used, state, clock, lines, kind } = choose({ setting: undefined, has: true });
  state.fails = () => true;
  expect([await used(), await used('bob')]).toEqual(['own', 'own']);
  expect(state.ready).toEqual(['alice', 'doctor.builder']);
  expect(lines.join()).toContain('could not be made');
  expect(kind()).toBe('engine');
  state.fails = () => false;
  expect(await used()).toBe('own');
  clock.advance(600_000);
  expect([await used(), kind()]).toEqual(['separate', 'separate']);
});

it('unset, one user’s broken builder fails his builds alone, and never gets them to the bots’ engine', async () => {
  const { used, state, clock } = choose({ setting: undefined, has: true });
  const failed = { problem: { code: 'CONTAINER_ERROR' } };
  state.fails = (userId) => userId === 'mallory';
  await expect(used('mallory')).rejects.toMatchObject(failed);
  expect(await used('alice')).toBe('separate');
  await expect(used('mallory')).rejects.toMatchObject(failed);
  // Nor does he when none can be made any more.
  state.fails = () => true;
  await expect(used('mallory')).rejects.toMatchObject(failed);
  clock.advance(600_000);
  await expect(used('alice')).rejects.toMatchObject(failed);
  state.fails = () => false;
  expect(await used('mallory')).toBe('separate');
});

it('asked for, nothing else builds; Podman has none', async () => {
  expect(await choose({ setting: 'separate' }).used()).toBe('separate');
  await expect(choose({ setting: 'separate', podman: true }).used()).rejects.toMatchObject({
    problem: { code: 'CONTAINER_ERROR', hint: expect.stringContaining('BUILDER_HOST') },
  });
  expect(await choose({ setting: undefined, podman: true, has: true }).used()).toBe('own');
});

it('an operator’s engine for builds is used unless the bots’ own is asked for', async () => {
  expect(await choose({ setting: undefined, host: true }).used()).toBe('host');
  expect(await choose({ setting: 'separate', host: true, podman: true }).used()).toBe('host');
  expect(await choose({ setting: 'engine', host: true }).used()).toBe('own');
});
