/** `--simple FILE...|DIR`: files that run on a base image as they are. */
import type { CliError } from '../failures/errors.ts';
import { filesText, namesText } from '../text/files-text.ts';
import type { SourceChoice } from './choice.ts';
import { collectSource } from './collect.ts';
import { sizeOf } from './file-bounds.ts';
import { chooseInstall, isNothing, wordsOf } from './install/install-choice.ts';
import { leftOutNote, mayBeMissed } from './left-out/left-out.ts';
import type { NamedByCode } from './left-out/named-by-code.ts';
import { readCode } from './left-out/read-code.ts';
import { packEntries } from './pack.ts';
import { asPackage } from './package-folder.ts';
import { chooseRun } from './run-choice.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Throws CliError or ProblemError with the cure. */
export async function prepareSimple(
  { names, run, folder }: Extract<SourceChoice, { kind: 'simple' }>,
  { cwd, signal }: Pick<SourceContext, 'cwd' | 'signal'>,
): Promise<ReadySource> {
  const collected = await collectSource(names, cwd, signal, folder.include);
  const { source, folder: root } = await asPackage(collected, names, run, cwd, signal);
  const { files, ignoreFile } = source;
  const { entrypoint, command, language, runtime, notes } = await chooseRun(source, run, signal);
  const install = await chooseInstall(run, { files, folder: root, runtime, cwd, signal });
  const entries = [...files, ...install.added];
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
      ...(isDockerfileThere ? ['The Dockerfile is not used with --simple; use --custom to build it'] : []),
      ...notes,
      ...install.notes,
    ],
    upload: {
      what: filesText(files.length, sizeOf(files)),
      paths: entries.map(({ path }) => path),
      read: (uploadSignal) => packEntries(entries, { gzip: false, onUnreadable }, uploadSignal),
      skipped: () => skipped,
    },
    leftOut: missed,
    hasNoRequirements: isNothing(install),
    spec: (artifactSha256) => ({
      case: 'simple',
      value: { artifactSha256, entrypoint, command: [...command], language, ...wordsOf(install) },
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
            `or send it with --include ${env.item.shown}`,
        ]),
    ...(others.length === 0 ? [] : [`The code mentions files that are left out: ${namesText(others)}`]),
  ];
}
