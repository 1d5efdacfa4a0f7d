/** What is left out of a user's folders, and why. Pure. */
import { namesText } from '../../text/files-text.ts';

export type Reason =
  /** A pattern of .dockerignore or .gitignore. */
  | 'pattern'
  /** Its name begins with a dot. */
  | 'hidden'
  /** A virtual environment of Python. */
  | 'environment'
  /** Made again anywhere: caches, installed packages, repositories. */
  | 'cache'
  /** A link that leads out of the folder, to a folder or nowhere. */
  | 'link'
  /** A pipe, a socket, a device. */
  | 'special'
  /** A name that no bot may have. */
  | 'name'
  | 'unreadable';

export interface LeftOut {
  /** Where it would be in the bot's folder. */
  readonly path: string;
  /** As the user would write it. */
  readonly shown: string;
  readonly isFolder: boolean;
  readonly reason: Reason;
}

/** What a bot may miss of it; anybody can create the rest again. */
export const mayBeMissed = ({ reason }: LeftOut): boolean => reason !== 'environment' && reason !== 'cache';

const words: Readonly<Record<Exclude<Reason, 'hidden' | 'cache'>, string>> = {
  pattern: '',
  environment: 'a virtual environment',
  link: 'a link out of the folder',
  special: 'not a plain file',
  name: 'its name',
  unreadable: 'may not be read',
};

/** What a user is likeliest to miss comes first: the list is cut. */
const order: readonly Reason[] = ['unreadable', 'name', 'link', 'special', 'pattern', 'hidden', 'environment', 'cache'];

/** One line for all of it, caches of the same name once; undefined if there is nothing. `ignoreFile` has the patterns. */
export function leftOutNote(all: readonly LeftOut[], ignoreFile: string | undefined): string | undefined {
  if (all.length === 0) return undefined;
  const texts = new Set<string>();
  for (const reason of order) {
    for (const each of all.filter((one) => one.reason === reason)) texts.add(textOf(each, ignoreFile));
  }
  const takes = all.some(({ reason }) => ['pattern', 'hidden', 'environment', 'cache'].includes(reason));
  return `Left out: ${namesText([...texts])}${takes ? '. --include PATH sends one anyway' : ''}`;
}

function textOf({ shown, reason, isFolder }: LeftOut, ignoreFile: string | undefined): string {
  const name = isFolder ? `${shown}/` : shown;
  if (reason === 'hidden') return name;
  if (reason === 'cache') return shown.split('/').at(-1) + (isFolder ? '/' : '');
  const why = reason === 'pattern' ? (ignoreFile ?? '') : words[reason];
  return `${name} (${why})`;
}
