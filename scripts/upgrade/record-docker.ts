/**
 * What a release asks an engine for: the bodies that it creates containers, volumes and networks with, made by its own code.
 * test/upgrade/docker.test.ts gives them to an engine of today and lets today's worker adopt what comes of it.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerName, imageName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import type { Release } from './release.ts';

export const dockerUser = 'upgrade';
const workerId = 'docker-one';
const revision = 2n;
const epoch = 1n;

interface Recorded {
  readonly botId: string;
  readonly name: string;
  readonly container: unknown;
}

/** Writes `docker/worker` (key and id) and returns the bodies. */
export async function recordDocker(release: Release, state: string): Promise<readonly Recorded[]> {
  const folder = join(state, 'docker', 'worker');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const key = randomBytes(32);
  writeFileSync(join(folder, 'key'), key, { mode: 0o600 });
  writeFileSync(join(folder, 'worker-id'), `${workerId}\n`, { mode: 0o600 });
  const of = (...parts: readonly string[]) => import(join(release.dir, 'worker', ...parts));
  const { containerOptions, ownerLabels } = await of('runtime', 'docker', 'container-options.ts');
  const { signedLabels } = await of('runtime', 'labels.ts');
  const { openStateDir } = await of('state', 'state-dir.ts');
  const opened = await openStateDir(folder, undefined);
  const { labelKey } = opened;
  await opened.close();
  const bot = (botId: string, run: object, image?: { user: string; volumes: readonly string[] }): Recorded => {
    const botKey = { userId: dockerUser, botId };
    const name = containerName(botKey);
    const plan = {
      key: botKey,
      workerId,
      revision,
      epoch,
      name,
      image: imageName(botKey, revision),
      run,
      env: new Secret({ GREETING: 'hello' }),
      memoryBytes: 128 * 1024 * 1024,
      cpuMillis: 500,
    };
    const startedAt = new Date().toISOString();
    const labels = signedLabels(labelKey, name, { key: botKey, workerId, revision, epoch, startedAt });
    const container = containerOptions(plan, labels, 'bot_runner_network', image);
    return { botId, name, container: { body: container, image: plan.image, imageLabels: ownerLabels(plan) } };
  };
  return [
    bot('simple', { kind: 'simple', language: 'python', entrypoint: 'bot.py' }),
    bot('image', { kind: 'image' }, { user: '', volumes: ['/app/storage'] }),
  ];
}
