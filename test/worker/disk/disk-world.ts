/** An engine of a test's own, with a bot that does what its environment says, and the runtime of a worker on it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, systemClock } from '#common/clock.ts';
import { type Logger, silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { systemResolve } from '../../../worker/fetch/fetched.ts';
import type { ContainerPlan, ContainerRuntime } from '../../../worker/runtime/container-runtime.ts';
import { list, record, text, texts } from '../../../worker/runtime/docker/answers.ts';
import { type DiskMode, defaultDiskSettings } from '../../../worker/runtime/docker/disk/disk.ts';
import type { AskSpace } from '../../../worker/runtime/docker/disk/engine-space.ts';
import { storeVolume } from '../../../worker/runtime/docker/disk/sized-names.ts';
import { createDockerRuntime } from '../../../worker/runtime/docker/docker-runtime.ts';
import { createPrivateImages } from '../../../worker/state/private-images.ts';
import { fetchFileWith, type RawEngine, rawEngine } from '../../contract/docker-harness.ts';
import { botPlan, patience } from '../../contract/harness.ts';
import { loadBaseImages } from '../../kit/base-images/base-images.ts';
import { FileSet } from '../../kit/base-images/file-set.ts';
import { callEngine } from '../../kit/private-engine/engine-api.ts';
import { type PrivateEngine, startPrivateEngine } from '../../kit/private-engine/private-engine.ts';

export const run = promisify(execFile);
export const mib = 1024 * 1024;
export const userId = 'disk';
export const workerId = 'worker-disk';
export const botImage = 'disk-bot:1';

export interface DiskWorld {
  readonly engine: PrivateEngine;
  readonly raw: RawEngine;
  readonly dir: string;
  runtime(
    mode: DiskMode,
    choice?: { logger?: Logger; clock?: Clock; space?: AskSpace; imageBytes?: number; programs?: NodeJS.ProcessEnv },
  ): ContainerRuntime;
  /** A bot that runs this as a shell's script, as root. */
  plan(botId: string, script: string, dataMib?: number): ContainerPlan;
  /** The folder of the engine's volume. */
  folderOf(volume: string): Promise<string>;
  /** Devices that are attached to files of this engine. */
  devices(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function startDiskWorld(): Promise<DiskWorld> {
  const engine = await startPrivateEngine({ suite: process.env['BOTRUNNER_TEST_ENGINE_SUITE'] });
  const dir = mkdtempSync(join(tmpdir(), 'disk-'));
  const raw = rawEngine({
    host: engine.dockerHost,
    hostAddress: '',
    namespacePath: '',
    podman: undefined,
    pipIndexUrl: '',
  });
  await loadBaseImages(engine.dockerHost, engine.packages, ['busybox']);
  const files = new FileSet();
  files.text('/Dockerfile', 'FROM busybox:stable\nCMD ["sh", "-c", "eval \\"$SCRIPT\\""]\n');
  const built = await callEngine(engine.dockerHost, `/build?t=${botImage}`, {
    method: 'POST',
    body: files.pack(),
    timeoutMs: 60_000,
  });
  if (built.status !== 200 || built.text.includes('"error"')) throw new Error(built.text);
  const storeOf = async () => {
    const labels = await raw.get(`/volumes/${storeVolume}`).then(
      (volume) => texts(record(volume)['Labels']),
      () => ({}),
    );
    return Object.values(labels)[0];
  };
  const devices = async () => {
    const links = join('/dev/bot_runner', (await storeOf()) ?? 'none');
    const linked = existsSync(links) ? readdirSync(links).map((name) => readlinkSync(join(links, name))) : [];
    const { stdout } = await run('losetup', ['-n', '-O', 'NAME']);
    return linked.filter((device) => stdout.split('\n').includes(device));
  };
  return {
    engine,
    raw,
    dir,
    runtime: (mode, { logger = silentLogger, clock = systemClock, space, imageBytes, programs } = {}) =>
      createDockerRuntime({
        dockerHost: engine.dockerHost,
        codeDir: join(dir, 'code'),
        network: 'disk_bots',
        egress: { kind: 'open' },
        firewallMark: join(dir, 'firewall'),
        disk: { ...defaultDiskSettings, mode, ...(imageBytes !== undefined && { imageBytes }) },
        space,
        programs,
        fetchAllow: [],
        resolve: systemResolve,
        fetchFile: fetchFileWith([]),
        sealKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
        privateImages: createPrivateImages({}, async () => {}),
        baseImages: { python: 'python:3.11-slim', node: 'node:24-slim' },
        buildSettings: {},
        workerId,
        signingKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
        clock,
        logger,
      }),
    plan: (botId, script, dataMib = 32) => ({
      ...botPlan({ key: { userId, botId }, workerId, language: 'python' }),
      image: botImage,
      run: { kind: 'image' },
      env: new Secret({ SCRIPT: script }),
      disk: { dataBytes: dataMib * mib, layerBytes: 32 * mib },
    }),
    folderOf: async (volume) => text(record(await raw.get(`/volumes/${volume}`))['Mountpoint']),
    devices,
    async close() {
      for (const found of list(await raw.get('/containers/json', { all: true }))) {
        await raw.remove(`/containers/${text(record(found)['Id'])}`, { force: true });
      }
      const store = await storeOf();
      for (const device of await devices()) await run('losetup', ['-d', device]);
      if (store !== undefined) rmSync(join('/dev/bot_runner', store), { recursive: true, force: true });
      await engine.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

export const done = patience;
