/**
 * What tests on a real Docker engine get, one engine for each file that runs at a time, brought up once for the whole run
 * and only if one of its test files asks:
 *
 *     const docker = inject('docker');
 *     describe.skipIf('skip' in docker)('on a Docker engine', () => {
 *       const { host, hostAddress, pipIndexUrl } = usableDocker(docker);
 *
 * A test file asks by having the text inject('docker') in it. Where there is no engine, one line says why, and those tests
 * are skipped; with BOTRUNNER_TEST_REQUIRE_DOCKER=1 the run fails instead. See find-engine.ts for the other settings.
 */
import { readFileSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { record, text } from '../../worker/runtime/docker/answers.ts';
import { engineKind } from '../../worker/runtime/docker/build-query.ts';
import { baseImageNames, loadBaseImages } from './base-images/base-images.ts';
import { buildsSeparately, loadBuilderImage } from './builder-image.ts';
import { aiogram } from './package-index/bot-libraries.ts';
import { startPackageIndex } from './package-index/package-index.ts';
import type { Wheel } from './package-index/wheel.ts';
import { callEngine } from './private-engine/engine-api.ts';
import { findEngine, type NoEngine, type TestEngine } from './private-engine/find-engine.ts';
import type { TestDocker } from './test-docker.ts';

/** Called by vitest before the first test; what it returns is called after the last. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!isAskedFor(project)) {
    project.provide('docker', { skip: 'no test file of this run asked for Docker when it began' });
    return undefined;
  }
  const { config, state } = project.vitest;
  const count = Math.min(config.maxWorkers, state.getPaths().length);
  const { wheels } = await aiogram();
  const needsBuilder = isNamed(project, 'builderImageName');
  const slots = await Promise.all(Array.from({ length: count }, () => startSlot(wheels, needsBuilder)));
  const stop = async () => {
    for (const slot of slots) if ('stop' in slot) await slot.stop();
  };
  const missing = slots.find((slot) => 'skip' in slot);
  if (missing === undefined) {
    project.provide('docker', { slots: slots.flatMap((slot) => ('docker' in slot ? [slot.docker] : [])) });
    return stop;
  }
  await stop();
  if (process.env['BOTRUNNER_TEST_REQUIRE_DOCKER'] === '1') throw new Error(`no Docker engine: ${missing.skip}`);
  console.warn(`Tests on a Docker engine are skipped: ${missing.skip}`);
  project.provide('docker', missing);
  return undefined;
}

interface Slot {
  readonly docker: TestDocker;
  stop(): Promise<void>;
}

async function startSlot(wheels: readonly Wheel[], needsBuilder: boolean): Promise<Slot | NoEngine> {
  const engine = await findUsableEngine(needsBuilder);
  if ('skip' in engine) return engine;
  try {
    const index = await startPackageIndex({ host: engine.hostAddress, wheels });
    return {
      docker: {
        host: engine.dockerHost,
        hostAddress: engine.hostAddress,
        namespacePath: engine.namespacePath,
        podman: await podmanVersion(engine.dockerHost),
        pipIndexUrl: index.url,
      },
      stop: async () => {
        await index.close();
        await engine.stop();
      },
    };
  } catch (error) {
    await engine.stop();
    return { skip: `the engine is of no use: ${error instanceof Error ? error.message : error}` };
  }
}

async function podmanVersion(dockerHost: string): Promise<string | undefined> {
  const version: unknown = JSON.parse((await callEngine(dockerHost, '/version')).text);
  return engineKind(version) === 'podman' ? text(record(version)['Version']) : undefined;
}

const isAskedFor = (project: TestProject): boolean => isNamed(project, "inject('docker')");

/** Whether a test file of this run has that text in it. */
const isNamed = (project: TestProject, what: string): boolean =>
  project.vitest.state.getPaths().some((path) => readFileSync(path, 'utf8').includes(what));

/** An engine that has the base images. A private one gets them; another must have them already. */
async function findUsableEngine(needsBuilder: boolean): Promise<TestEngine | NoEngine> {
  const engine = await findEngine();
  if ('skip' in engine) return engine;
  if (engine.packages) {
    try {
      await loadBaseImages(engine.dockerHost, engine.packages);
      if (buildsSeparately || needsBuilder) await loadBuilderImage(engine.dockerHost, engine.packages);
      return engine;
    } catch (error) {
      await engine.stop();
      return { skip: `its base images could not be made: ${error instanceof Error ? error.message : error}` };
    }
  }
  for (const name of Object.values(baseImageNames)) {
    const { status } = await callEngine(engine.dockerHost, `/images/${name}/json`);
    if (status !== 200) return { skip: `the engine at ${engine.dockerHost} has no image ${name}` };
  }
  return engine;
}
