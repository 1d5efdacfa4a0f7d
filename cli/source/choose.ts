/** Which kind of source a command line asks for, and whether its other options go with that. Pure. */
import { type CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import type { GitChoice, ImageChoice, Runtime, SourceChoice, SourceOptions } from './choice.ts';
import { isGitRepository, isUrl } from './custom-url.ts';
import { checkFit } from './fits.ts';

/** Throws CliError with the cure. Reads nothing but its arguments. */
export function chooseSource(options: SourceOptions): SourceChoice {
  const choice = chosen(options);
  checkFit(options, choice.kind);
  return choice;
}

function chosen(options: SourceOptions): SourceChoice {
  const names = options.simple.filter((name) => name !== '');
  const isInline = options.inline || options.code !== undefined;
  const given = [
    ...(names.length > 0 || (options.simple.length > 0 && !isInline) ? ['--simple'] : []),
    ...(isInline ? ['--code'] : []),
    ...(options.custom === undefined ? [] : ['--custom']),
    ...(options.git === undefined ? [] : ['--git']),
    ...(options.image === undefined ? [] : ['--image']),
  ];
  if (given.length > 1) {
    const message = `${given.join(' and ')} are given, but a bot has one source.`;
    throw complain(exitCodes.usage, 'CONFLICTING_SOURCES', message, 'Give exactly one of them.');
  }
  if (options.custom !== undefined) return customChoice(requireValue('--custom', options.custom), options);
  if (options.git !== undefined) return gitChoice(requireValue('--git', options.git), options, false);
  if (options.image !== undefined) return imageChoice(requireValue('--image', options.image), options);
  const { entrypoint, command, requirements } = options;
  if (entrypoint !== undefined && command !== undefined) {
    throw usage(
      '--entrypoint and --command are both given.',
      'Give --entrypoint for a file, --command for anything else.',
    );
  }
  const run = { entrypoint, command, requirements, runtime: runtimeOf(options) };
  if (isInline) {
    if (options.code === undefined || options.code === '') {
      throw usage('The code is missing.', 'Write --code "print(1)", or give files with --simple.');
    }
    return { kind: 'inline', code: options.code, run };
  }
  const folder = { include: options.include, envFiles: options.envFile };
  if (names.length > 0) return { kind: 'simple', names, run, folder };
  if (options.simple.length > 0) throw usage('--simple needs a value.', 'Write --simple FILE... or --simple DIR.');
  throw usage(
    'The source of the bot is missing.',
    'Give one of --simple FILE..., --code TEXT, --custom PATH, --git URL or --image REF.',
  );
}

function requireValue(name: string, value: string): string {
  if (value.trim() !== '') return value.trim();
  throw usage(`${name} needs a value.`, 'The value is empty; is a shell variable not set?');
}

const customChoice = (text: string, options: SourceOptions): SourceChoice => {
  if (!isUrl(text)) return { kind: 'path', path: text, dockerfile: dockerfileOf(options) };
  return isGitRepository(text) ? gitChoice(text, options, true) : { kind: 'archive_url', url: text };
};

/** "./docker/Dockerfile" is what a shell completes. */
const dockerfileOf = ({ dockerfile }: SourceOptions): string =>
  (dockerfile?.trim() ?? '').replace(/^(?:\.\/+)+/, '') || 'Dockerfile';

const gitChoice = (url: string, { branch, subdir }: SourceOptions, byUrl: boolean): GitChoice => ({
  kind: 'git',
  url,
  branch,
  subdir,
  byUrl,
});

function imageChoice(image: string, options: SourceOptions): ImageChoice {
  const { registryUser, registryPass, registryPassStdin, pull } = options;
  if (registryPass !== undefined && registryPassStdin) {
    throw usage('--registry-pass and --registry-pass-stdin are both given.', 'Give only one of them.');
  }
  const isPassGiven = registryPass !== undefined || registryPassStdin;
  if ((registryUser !== undefined) !== isPassGiven) {
    const message = isPassGiven ? '--registry-user is missing.' : 'The password of the registry is missing.';
    const hint = 'Give --registry-user USER with --registry-pass-stdin or --registry-pass.';
    throw complain(exitCodes.usage, 'INCOMPLETE_REGISTRY_AUTH', message, hint);
  }
  const value = registryPass === undefined ? undefined : ({ from: 'option', value: registryPass } as const);
  return { kind: 'image', image, registryUser, registryPass: registryPassStdin ? { from: 'stdin' } : value, pull };
}

function runtimeOf({ runtime }: SourceOptions): Runtime | undefined {
  if (runtime === undefined || runtime === 'python' || runtime === 'node') return runtime;
  throw usage('Unknown runtime.', 'Write --runtime python or --runtime node.');
}

const usage = (message: string, hint: string): CliError => complain(exitCodes.usage, 'USAGE', message, hint);
