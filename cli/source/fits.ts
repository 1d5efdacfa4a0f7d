/** Which options go with which sources. Pure. */
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import type { SourceChoice, SourceOptions } from './choice.ts';
import { isUrl } from './custom-url.ts';

type Kind = SourceChoice['kind'];

/** For each option that goes with some sources only: these, and what to do with others. */
const fits: readonly {
  readonly name: string;
  readonly isGiven: (options: SourceOptions) => boolean;
  readonly kinds: readonly Kind[];
  readonly hint: string;
}[] = [
  {
    name: '--entrypoint',
    isGiven: ({ entrypoint }) => entrypoint !== undefined,
    kinds: ['simple', 'inline'],
    hint: 'It works with --simple and --code; a Dockerfile or an image defines its own command.',
  },
  {
    name: '--command',
    isGiven: ({ command }) => command !== undefined,
    kinds: ['simple', 'inline'],
    hint: 'It works with --simple and --code; a Dockerfile or an image defines its own command.',
  },
  {
    name: '-r',
    isGiven: ({ requirements }) => requirements !== undefined,
    kinds: ['simple', 'inline'],
    hint: 'It works with --simple and --code; a Dockerfile installs its own packages, and an image already has them.',
  },
  {
    name: '--runtime',
    isGiven: ({ runtime }) => runtime !== undefined,
    kinds: ['simple', 'inline'],
    hint: 'It works with --simple and --code; a Dockerfile or an image brings its own.',
  },
  {
    name: '--include',
    isGiven: ({ include }) => include.length > 0,
    kinds: ['simple'],
    hint: 'It works with --simple; from a folder with a Dockerfile everything is sent that .dockerignore does not exclude.',
  },
  {
    name: '--branch',
    isGiven: ({ branch }) => branch !== undefined,
    kinds: ['git'],
    hint: 'It works with a git repository.',
  },
  {
    name: '--subdir',
    isGiven: ({ subdir }) => subdir !== undefined,
    kinds: ['git'],
    hint: 'It works with a git repository; for a folder on this machine give the path.',
  },
  {
    name: '--build-arg',
    isGiven: ({ buildArg }) => buildArg.length > 0,
    kinds: ['path', 'archive_url', 'git'],
    hint: 'It works with a Dockerfile: --custom and --git. Variables of the bot are given with -e.',
  },
  {
    name: '--target',
    isGiven: ({ target }) => target !== undefined,
    kinds: ['path', 'archive_url', 'git'],
    hint: 'It works with a Dockerfile: --custom and --git.',
  },
  {
    name: '--dockerfile',
    isGiven: ({ dockerfile }) => dockerfile !== undefined,
    kinds: ['path', 'archive_url', 'git'],
    hint: 'It works with a Dockerfile: --custom and --git.',
  },
  {
    name: '--registry-user',
    isGiven: ({ registryUser }) => registryUser !== undefined,
    kinds: ['image'],
    hint: 'It works with --image.',
  },
  {
    name: '--registry-pass',
    isGiven: ({ registryPass, registryPassStdin }) => registryPass !== undefined || registryPassStdin,
    kinds: ['image'],
    hint: 'It works with --image.',
  },
  { name: '--pull', isGiven: ({ pull }) => pull, kinds: ['image'], hint: 'It works with --image.' },
];

/** Throws CliError for the first option that means nothing to the source: ignoring it would surprise. */
export function checkFit(options: SourceOptions, kind: Kind): void {
  const misfit = fits.find((option) => option.isGiven(options) && !option.kinds.includes(kind));
  if (misfit !== undefined) {
    throw complain(exitCodes.usage, 'USAGE', `${misfit.name} does not work with ${sourceName(options)}.`, misfit.hint);
  }
}

/** The option that named the source. */
function sourceName({ custom, git, image, code }: SourceOptions): string {
  if (custom !== undefined) return isUrl(custom.trim()) ? '--custom and this URL' : '--custom';
  if (git !== undefined) return '--git';
  if (image !== undefined) return '--image';
  return code === undefined ? '--simple' : '--code';
}
