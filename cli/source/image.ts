/** A ready image as a source: the worker's engine pulls it. */
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import type { ImageChoice } from './choice.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Reads the password if it is to come from stdin. Throws CliError, never with a part of the reference or the password. */
export async function prepareReadyImage(
  { image, registryUser, registryPass, pull }: ImageChoice,
  { readStdin }: Pick<SourceContext, 'readStdin'>,
): Promise<ReadySource> {
  // "user:pass@registry/image"; the "@" of a digest has no "/" after it.
  if (image.includes('://') || (image.includes('@') && image.indexOf('/', image.indexOf('@')) >= 0)) {
    throw complain(
      exitCodes.usage,
      'INVALID_IMAGE_NAME',
      'An image reference contains no "://" and no password.',
      'Write one such as ghcr.io/me/bot:1.0, and give the password with --registry-user and --registry-pass-stdin.',
    );
  }
  // A piped password usually ends with a line end; no registry allows one in a password.
  const password =
    registryPass?.from === 'stdin' ? (await readStdin()).replace(/\r?\n$/, '') : (registryPass?.value ?? '');
  if (registryPass !== undefined && (password === '' || registryUser === '')) {
    throw complain(
      exitCodes.usage,
      'INCOMPLETE_REGISTRY_AUTH',
      'The user name or the password of the registry is empty.',
      'Check --registry-user and --registry-pass or --registry-pass-stdin.',
    );
  }
  const credentials = registryPass === undefined ? {} : { credentials: { username: registryUser ?? '', password } };
  return {
    notes: [],
    upload: undefined,
    spec: () => ({ case: 'image', value: { image, pull, ...credentials } }),
  };
}
