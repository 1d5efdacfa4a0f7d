/** Puts a bot's code into its container, where it is not in the image. */
import { buffer } from 'node:stream/consumers';
import { ProblemError, problem } from '#common/problem.ts';
import { isCodeImage } from './code-image-name.ts';
import type { CodeStore } from './code-store.ts';
import type { EngineClient } from './engine-client.ts';
import { imageNames } from './images.ts';
import { isWithoutCode } from './packages-image.ts';

export interface CopyDeps {
  readonly engine: EngineClient;
  readonly code: CodeStore;
}

/**
 * Unpacks the code of an image in a container of it that never ran. IMAGE_NOT_FOUND when the worker no longer has it: the image is
 * made again.
 */
export async function copyCode(
  { engine, code }: CopyDeps,
  id: string,
  image: string,
  signal: AbortSignal,
): Promise<void> {
  if (isCodeImage(image)) return;
  const upload = await code.read(image);
  if (upload === undefined) {
    if (isWithoutCode((await imageNames(engine, image, signal)) ?? [])) throw codeIsGone();
    return;
  }
  try {
    const path = `/containers/${id}/archive`;
    await buffer(await engine.stream({ method: 'PUT', path, query: { path: '/' }, upload }, signal));
  } finally {
    upload.destroy();
  }
}

const codeIsGone = (): ProblemError =>
  new ProblemError(problem('IMAGE_NOT_FOUND', "The bot's code is not on the worker any more."));
