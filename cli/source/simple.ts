/** `--simple FILE...|DIR`: files that run on a base image as they are. */
import type { CliError } from '../errors.ts';
import type { SourceChoice } from './choice.ts';
import { collectSource } from './collect.ts';
import { chooseEntrypoint } from './entrypoint.ts';
import { sizeOf } from './file-bounds.ts';
import { filesText, namesText } from './files-text.ts';
import { languageOption } from './language.ts';
import { leftOutNote, mayBeMissed } from './left-out/left-out.ts';
import type { NamedByCode } from './left-out/named-by-code.ts';
import { readCode } from './left-out/read-code.ts';
import { packEntries } from './pack.ts';
import { chooseRequirements } from './requirements-choice.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Throws CliError or ProblemError with the cure. */
export async function prepareSimple(
  { names, run, folder }: Extract<SourceChoice, { kind: 'simple' }>,
  { cwd, signal }: Pick<SourceContext, 'cwd' | 'signal'>,
): Promise<ReadySource> {
  const source = await collectSource(names, cwd, signal, folder.include);
  const { files, ignoreFile } = source;
  const entrypoint = chooseEntrypoint(source, run);
  const requirements = await chooseRequirements(run, files, entrypoint, { cwd, signal });
  const isDockerfileThere = files.some(({ path }) => path === 'Dockerfile');
  const missed = source.leftOut.filter(mayBeMissed);
  const named = await readCode(files, missed, signal);
  const leftOut = leftOutNote(source.leftOut, ignoreFile);
  const skipped: string[] = [];
  const onUnreadable = (path: string, fault: CliError): void => {
    if (path === entrypoint) throw fault;
    skipped.push(path);
  };
  return {
    notes: [
      ...(leftOut === undefined ? [] : [leftOut]),
      ...namedNotes(named, folder.envFiles.length > 0),
      ...(isDockerfileThere ? ['The Dockerfile is not used with --simple; --custom builds it'] : []),
      ...(requirements.from === undefined
        ? []
        : [`Packages from ${requirements.from}: ${requirements.list.join(', ') || 'none'}`]),
    ],
    upload: {
      what: filesText(files.length, sizeOf(files)),
      paths: files.map(({ path }) => path),
      read: (uploadSignal) => packEntries(files, { gzip: false, onUnreadable }, uploadSignal),
      skipped: () => skipped,
    },
    leftOut: missed,
    hasNoRequirements: requirements.isGiven && requirements.list.length === 0,
    spec: (artifactSha256) => ({
      case: 'simple',
      value: { artifactSha256, entrypoint, requirements: [...requirements.list], language: languageOption(run) },
    }),
  };
}

/** A line for the .env, whose cure is another one, and a line for the rest. */
function namedNotes(named: readonly NamedByCode[], isEnvFileGiven: boolean): readonly string[] {
  const isEnv = ({ item }: NamedByCode) => item.path.split('/').at(-1) === '.env';
  const others = named.filter((each) => !isEnv(each)).map(({ item, by }) => `${item.shown} (in ${by})`);
  const env = isEnvFileGiven ? undefined : named.find(isEnv);
  return [
    ...(env === undefined
      ? []
      : [
          `${env.by} reads ${env.item.shown}, which is left out: give its variables with --env-file ${env.item.shown}, ` +
            `or take it along with --include ${env.item.shown}`,
        ]),
    ...(others.length === 0 ? [] : [`The code names what is left out: ${namesText(others)}`]),
  ];
}
