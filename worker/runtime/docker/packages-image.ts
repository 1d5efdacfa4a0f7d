/**
 * The image of a bot's packages, without its code: named by a hash of all that goes into it, so that a version of the bot with the
 * same packages takes it as it is. It has that name beside those of the versions that use it; when the last of these goes,
 * removeBotImages takes it along. Never shared between bots: a layer belongs to one bot on one worker.
 */
import { createHmac } from 'node:crypto';
import { type BotKey, imageRepository } from '#common/ids.ts';
import { type BuildSettings, buildVariables } from '../../images/build-settings.ts';
import { simpleDockerfile } from '../../images/dockerfile.ts';
import type { InstallPlan } from '../../images/install/install-plan.ts';
import type { SimpleBuild } from '../container-runtime.ts';
import type { SigningKey } from '../labels.ts';
import { record, text } from './answers.ts';
import { buildScope } from './build-scope.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** Begins the tag of such an image; those of a bot's versions begin with g. */
const packagesTag = 'packages-';

export const isPackagesName = (key: BotKey, name: string): boolean =>
  name.startsWith(`${imageRepository(key)}:${packagesTag}`);

/** Whether an image with these names, as the engine reports them, is one without the bot's code. */
export const isWithoutCode = (names: readonly string[]): boolean =>
  names.some((name) => {
    const plain = name.slice(name.lastIndexOf('/') + 1);
    return plain.startsWith('bot_image_') && plain.includes(`:${packagesTag}`);
  });

export interface Packages {
  /** The base image as the engine has it, by its id: a different image of the same name is a different base. */
  readonly baseId: string;
  readonly install: InstallPlan | undefined;
  readonly settings: BuildSettings;
}

/** Keyed, since names of images can be read by anyone who may use the engine, and settings may hold credentials. */
export function packagesImageName(
  signingKey: SigningKey,
  { key, workerId, language }: Pick<SimpleBuild, 'key' | 'workerId' | 'language'>,
  { baseId, install, settings }: Packages,
): string {
  const files = (install?.files ?? []).map(({ name, content }) => [name, Buffer.from(content).toString('base64')]);
  const dockerfile = simpleDockerfile(language, buildScope(key, workerId), install?.how);
  const hash = createHmac('sha256', signingKey.reveal())
    .update(JSON.stringify(['bot-runner packages 1', baseId, dockerfile, files, buildVariables(settings)]))
    .digest('hex');
  return `${imageRepository(key)}:${packagesTag}${hash.slice(0, 40)}`;
}

/** Undefined when the engine does not have the image. */
export async function imageId(engine: EngineClient, image: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return text(
      record(await engine.call({ method: 'GET', path: `/images/${encodeURIComponent(image)}/json` }, signal))['Id'],
    );
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Gives an image one more name, which it takes from whatever image had it. False when there is no such image. */
export async function nameImage(
  engine: EngineClient,
  image: string,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const [repo = '', tag = ''] = name.split(':');
  try {
    await engine.call(
      { method: 'POST', path: `/images/${encodeURIComponent(image)}/tag`, query: { repo, tag } },
      signal,
    );
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}
