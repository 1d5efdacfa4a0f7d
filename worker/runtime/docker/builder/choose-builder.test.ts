import { expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { createRecordingLogger } from '../../../../test/kit/recording-logger.ts';
import type { BuildEngine, BuildEngines } from '../build-engine.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { type BuilderChoice, createChosenBuilder } from './choose-builder.ts';
import type { SeparateBuilders } from './separate-builder.ts';

const signal = AbortSignal.timeout(60_000);

function choose(choice: Pick<BuilderChoice, 'setting'> & { podman?: boolean; has?: boolean; host?: boolean }) {
  const state = { has: choice.has ?? false, ready: 0, fails: false };
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
    during: (_userId, _signal, work) => work({ name: 'separate' } as Partial<BuildEngine> as BuildEngine, undefined), // as above
    limits: { memoryBytes: 1, cpuMillis: 1, diskBytes: 1 },
    ready: async () => {
      state.ready += 1;
      if (state.fails) throw new ProblemError(problem('CONTAINER_ERROR', 'It could not be made.'));
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
    logger,
  });
  const used = () => builders.during('alice', signal, async (builder) => (builder as unknown as { name: string }).name); // as made above
  return { used, state, lines };
}

it('unset, the bots’ engine builds until it has the image of a builder, and one line says so', async () => {
  const { used, state, lines } = choose({ setting: undefined });
  expect([await used(), await used()]).toEqual(['own', 'own']);
  expect(lines.filter((line) => line.includes('docker pull docker:dind'))).toHaveLength(1);
  state.has = true;
  expect(await used()).toBe('separate');
});

it('unset, a builder that cannot be made is not tried again', async () => {
  const { used, state, lines } = choose({ setting: undefined, has: true });
  state.fails = true;
  expect([await used(), await used()]).toEqual(['own', 'own']);
  expect(state.ready).toBe(1);
  expect(lines.join()).toContain('could not be made');
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
