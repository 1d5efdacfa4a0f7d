/** Puts a finished image from a builder on the bots' engine. */
import { record, text } from '../answers.ts';
import { removeImage } from '../build-scope.ts';
import type { EngineClient } from '../engine-client.ts';
import { carryImage } from './carry-image.ts';

const cleanUpMs = 30_000;

/**
 * The bots' engine has the image under that name, or nothing of it; the builder has it no longer, but what is in its cache. Throws as
 * EngineClient does.
 */
export async function deliverImage(
  engines: { readonly from: EngineClient; readonly to: EngineClient },
  image: string,
  signal: AbortSignal,
): Promise<void> {
  const { from, to } = engines;
  const path = `/images/${encodeURIComponent(image)}`;
  const built = record(await from.call({ method: 'GET', path: `${path}/json` }, signal));
  const id = await carryImage(engines, text(built['Id']), [], signal);
  const [repo = '', tag = ''] = image.split(':');
  try {
    await to.call({ method: 'POST', path: `/images/${id}/tag`, query: { repo, tag } }, signal);
  } catch (error) {
    await removeImage(to, id, AbortSignal.timeout(cleanUpMs));
    throw error;
  }
  await removeImage(from, image, signal, true);
}
