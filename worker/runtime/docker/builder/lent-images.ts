/** Which images of the bots' engine a builder gets: those that the operator names, and otherwise none of that engine's. */
import { formatImageReference, parseImageReference } from '#common/image-reference.ts';
import type { EngineClient } from '../engine-client.ts';
import { foundImage } from '../named-image.ts';
import { type PullDeps, pullImage } from '../pull.ts';
import { carryImage } from './carry-image.ts';

export interface LentImages {
  /** Base images of the operator's, which are pulled when they are absent. */
  readonly bases: readonly string[];
  /** Others that are lent if they are there. */
  readonly named: readonly string[];
  /** All are that anybody may have: no bot's, and none that was pulled with a login. */
  readonly isEverybodys: boolean;
}

export interface LendDeps extends PullDeps {
  /** The bots' engine. */
  readonly engine: EngineClient;
  readonly lent: LentImages;
}

/**
 * Makes the builder have the image as the bots' engine has it, if it is one to be lent. Throws as pullImage does for a base image that
 * cannot be had.
 */
export async function lendImage(
  deps: LendDeps,
  builder: EngineClient,
  image: string,
  onOutput: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { engine, lent, privateImages } = deps;
  const written = canonical(image);
  if (written === undefined) return;
  const isBase = lent.bases.some((base) => canonical(base) === written);
  const isNamed = isBase || lent.named.some((name) => canonical(name) === written);
  if (!isNamed && !lent.isEverybodys) return;
  const parsed = parseImageReference(image, registriesOf(image));
  if (!parsed.ok) return;
  const find = (client: EngineClient) => foundImage(client, parsed.value, image, signal);
  let there = await find(engine);
  if (there === undefined && isBase) {
    const pull = { userId: '', reference: written, credentials: undefined, pull: false, onOutput };
    await pullImage(deps, pull, signal);
    there = await find(engine);
  }
  if (there === undefined || !there.isNamed || there.isBot) return;
  const isPrivate = there.repoDigest !== undefined && privateImages.usersOf(there.repoDigest) !== undefined;
  if (!isNamed && isPrivate) return;
  const known = await find(builder);
  if (known?.isNamed && known.id === there.id) return;
  onOutput(`taking ${image} to the builder`);
  await carryImage({ from: engine, to: builder }, there.id, nameOf(image), signal);
}

/** The operator's own images may be of any registry. */
function registriesOf(image: string): readonly string[] {
  const registry = image.split('/')[0]?.toLowerCase() ?? '';
  return [registry, `${registry}:443`];
}

/** In one spelling; undefined for what is no name of an image. */
function canonical(image: string): string | undefined {
  const parsed = parseImageReference(image, registriesOf(image));
  return parsed.ok ? formatImageReference(parsed.value) : undefined;
}

/** As an archive names it: no digest can be given to an image that comes from none. */
const nameOf = (image: string): readonly string[] => {
  const parsed = parseImageReference(image, registriesOf(image));
  return parsed.ok && parsed.value.digest === undefined ? [formatImageReference(parsed.value)] : [];
};
