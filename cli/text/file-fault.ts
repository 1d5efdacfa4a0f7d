/** What to report when a file or folder of the user cannot be read. */
import { type CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';

/** One line with the cure; `name` as the user wrote it. */
export function fileFault(name: string, error: unknown): CliError {
  const code = codeOf(error);
  const cannot = (message: string, hint: string) => complain(exitCodes.failed, 'UNREADABLE_FILE', message, hint);
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return cannot(`There is no file or folder ${name}.`, 'Check the name and the current folder.');
    case 'EACCES':
    case 'EPERM':
      return cannot(`${name} cannot be read: permission denied.`, 'Give yourself permission to read it.');
    case 'ELOOP':
      return cannot(`${name} is a broken link.`, 'Name the file itself.');
    default:
      return cannot(`${name} cannot be read (${code}).`, 'Check the file and its disk.');
  }
}

export const isFileMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(codeOf(error));
