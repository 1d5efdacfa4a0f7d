/**
 * All that compose needs on a machine without the internet, on a private engine of its own: the platform takes fixed names
 * and a port there, and everything goes with the engine.
 */

import { loadBaseImages } from '../base-images/base-images.ts';
import { type FakeTelegram, startFakeTelegram } from '../fake-telegram/fake-telegram.ts';
import { aiogram } from '../package-index/bot-libraries.ts';
import { startPackageIndex } from '../package-index/package-index.ts';
import { findEngine } from '../private-engine/find-engine.ts';
import { PrivateEngine } from '../private-engine/private-engine.ts';
import { ComposeHost } from './compose-host.ts';
import { loadComposeImages, natsImage, workerBaseImage } from './compose-images.ts';
import { type ComposeOrNot, composeV1, composeV2 } from './compose-programs.ts';
import { startNpmMirror } from './npm-mirror.ts';

export interface ComposeWorld {
  readonly engine: PrivateEngine;
  readonly host: ComposeHost;
  readonly telegram: FakeTelegram;
  readonly v1: ComposeOrNot;
  readonly v2: ComposeOrNot;
  /** What compose reads from the environment here: stand-ins for what the internet has. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Where there is no private engine, or no docker-compose of either kind: one line says why. */
export async function startComposeWorld(telegramTokens: readonly string[]): Promise<ComposeWorld | { skip: string }> {
  if (process.env['BOTRUNNER_TEST_DOCKER_HOST']) return { skip: 'compose is tried on a private engine only' };
  const engine = await findEngine();
  if ('skip' in engine) return engine;
  if (!(engine instanceof PrivateEngine)) return { skip: 'compose is tried on a private engine only' };
  await using parts = new AsyncDisposableStack();
  parts.defer(() => engine.stop());
  const [v1, v2] = await Promise.all([composeV1(), composeV2()]);
  if ('skip' in v1 && 'skip' in v2) return { skip: `${v2.skip}; ${v1.skip}` };
  await loadBaseImages(engine.dockerHost, engine.packages);
  await loadComposeImages(engine.dockerHost, engine.packages);
  const { hostAddress } = engine;
  const { wheels } = await aiogram();
  const index = parts.use(disposable(await startPackageIndex({ host: hostAddress, wheels })));
  const mirror = parts.use(disposable(await startNpmMirror(hostAddress)));
  const telegram = parts.use(disposable(await startFakeTelegram({ host: hostAddress, tokens: telegramTokens })));
  const host = parts.use(new ComposeHost(engine));
  const env = {
    NATS_IMAGE: natsImage,
    WORKER_BASE_IMAGE: workerBaseImage,
    NPM_CONFIG_REGISTRY: mirror.url,
    PIP_INDEX_URL: index.url,
    TELEGRAM_API_BASE: telegram.url,
    // As for an operator who sets nothing: the worker's image can set up the firewall.
    EGRESS: '',
    // What measures disks has tests of its own, and takes time.
    DISK_LIMITS: 'off',
  };
  const kept = parts.move();
  return { engine, host, telegram, v1, v2, env, close: () => kept.disposeAsync() };
}

const disposable = <T extends { close(): Promise<void> }>(server: T): T & AsyncDisposable =>
  Object.assign(server, { [Symbol.asyncDispose]: () => server.close() });
