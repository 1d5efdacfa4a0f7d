/** `--simple FILE...|DIR`: files that run on a base image as they are. */
import type { SourceChoice } from './choice.ts';
import { collectSource } from './collect.ts';
import { chooseEntrypoint } from './entrypoint.ts';
import { sizeOf } from './file-bounds.ts';
import { filesText, namesText } from './files-text.ts';
import { languageOption } from './language.ts';
import { packEntries } from './pack.ts';
import { chooseRequirements } from './requirements-choice.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Throws CliError or ProblemError with the cure. */
export async function prepareSimple(
  { names, run }: Extract<SourceChoice, { kind: 'simple' }>,
  { cwd, signal }: Pick<SourceContext, 'cwd' | 'signal'>,
): Promise<ReadySource> {
  const source = await collectSource(names, cwd, signal);
  const { files, leftOut } = source;
  const entrypoint = chooseEntrypoint(source, run);
  const requirements = await chooseRequirements(run, files, entrypoint, { cwd, signal });
  const isDockerfileThere = files.some(({ path }) => path === 'Dockerfile');
  return {
    notes: [
      ...(leftOut.length === 0 ? [] : [`Left out, because they are links or no plain files: ${namesText(leftOut)}`]),
      ...(isDockerfileThere ? ['The Dockerfile is not used with --simple; --custom builds it'] : []),
      ...(requirements.from === undefined
        ? []
        : [`Packages from ${requirements.from}: ${requirements.list.join(', ') || 'none'}`]),
    ],
    upload: {
      what: filesText(files.length, sizeOf(files)),
      paths: files.map(({ path }) => path),
      read: (uploadSignal) => packEntries(files, { gzip: false }, uploadSignal),
    },
    hasNoRequirements: requirements.isGiven && requirements.list.length === 0,
    spec: (artifactSha256) => ({
      case: 'simple',
      value: { artifactSha256, entrypoint, requirements: [...requirements.list], language: languageOption(run) },
    }),
  };
}
