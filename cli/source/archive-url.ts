/** `--custom URL` of an archive: the worker fetches it. Pure. */
import { parseUrl } from '#common/parse-url.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import type { ReadySource } from './source.ts';

/** Throws CliError; never shows the URL, whose query may hold a key. */
export function prepareArchiveUrl(text: string): ReadySource {
  const url = parseUrl(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw refused('This URL is not supported.', 'Give an http or https URL of a .tar, .tar.gz or .tgz file.');
  }
  if (url.username !== '' || url.password !== '') {
    throw refused('The URL of an archive must not contain a password.', 'Download the file and give it to --custom.');
  }
  if (/\.zip$/i.test(url.pathname)) {
    throw refused('.zip files are not supported.', 'Give a .tar, .tar.gz or .tgz file.');
  }
  return {
    notes: ['Treated as an archive: the worker downloads it'],
    upload: undefined,
    spec: () => ({ case: 'custom', value: { from: { case: 'archiveUrl', value: url.href } } }),
  };
}

const refused = (message: string, hint: string) => complain(exitCodes.usage, 'INVALID_ARCHIVE_URL', message, hint);
