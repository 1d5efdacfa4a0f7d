/** The source of image mode: the reference of an image, and what its registry wants to see. Pure. */
import { formatImageReference, parseImageReference } from '#common/image-reference.ts';
import { ok, type Result } from '#common/problem.ts';
import type { Bounds, ImageRepositorySource } from './bot-request.ts';
import { examples, withExample } from './examples.ts';
import { type Data, parseFlag, refuseForeignFields } from './fields.ts';
import { parseRegistryAuth } from './login.ts';

/** The data of a REST request. */
export function parseImageSource(data: Data, bounds: Bounds): Result<ImageRepositorySource> {
  const { pull } = data;
  const source = checkImage({ image: data['docker_image'], login: data['registry_auth'], pull: pull === true }, bounds);
  if (!source.ok && source.problem.code === 'MISSING_DOCKER_IMAGE') return source;
  const foreign = refuseForeignFields('image', data);
  if (!foreign.ok) return foreign;
  if (!source.ok) return source;
  const hint = 'Leave it out, or write "pull": true to ask the registry even if the worker has the image.';
  const flag = parseFlag(data, 'pull', hint, examples.image);
  return flag.ok ? source : flag;
}

/** An image, with what may be anything in its parts. */
export function checkImage(
  parts: { readonly image: unknown; readonly login: unknown; readonly pull: boolean },
  { fetchAllow = [] }: Bounds,
): Result<ImageRepositorySource> {
  const reference = withExample(parseImageReference(parts.image, fetchAllow), examples.image);
  if (!reference.ok) return reference;
  const login = parseRegistryAuth(parts.login, reference.value.registry);
  if (!login.ok) return login;
  return ok({
    kind: 'image',
    image: formatImageReference(reference.value),
    ...(login.value === undefined ? {} : { login: login.value }),
    pull: parts.pull,
  });
}
