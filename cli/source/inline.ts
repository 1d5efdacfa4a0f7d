/** `--code TEXT`: a bot of one file that is given on the command line. */
import { unwrap } from '#common/problem.ts';
import { checkEntrypoint } from '#common/safe-path.ts';
import type { SourceChoice } from './choice.ts';
import { checkRuntime } from './entrypoint.ts';
import { filesText } from './files-text.ts';
import { languageOption } from './language.ts';
import { type PackEntry, packEntries } from './pack.ts';
import { chooseRequirements } from './requirements-choice.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Throws CliError or ProblemError with the cure. */
export async function prepareInline(
  { code, run }: Extract<SourceChoice, { kind: 'inline' }>,
  { cwd, signal }: Pick<SourceContext, 'cwd' | 'signal'>,
): Promise<ReadySource> {
  const asked = run.entrypoint ?? (run.runtime === 'node' ? 'bot.mjs' : 'bot.py');
  const entrypoint = unwrap(checkEntrypoint(asked));
  checkRuntime(entrypoint, run.runtime);
  const requirements = await chooseRequirements(run, [], entrypoint, { cwd, signal });
  const entries: readonly PackEntry[] = [{ kind: 'text', path: entrypoint, content: code }];
  return {
    notes: [],
    upload: {
      what: filesText(1, Buffer.byteLength(code)),
      paths: [entrypoint],
      read: (uploadSignal) => packEntries(entries, { gzip: false }, uploadSignal),
    },
    hasNoRequirements: requirements.isGiven && requirements.list.length === 0,
    spec: (artifactSha256) => ({
      case: 'simple',
      value: { artifactSha256, entrypoint, requirements: [...requirements.list], language: languageOption(run) },
    }),
  };
}
