/** `--code TEXT`: a bot of one file that is given on the command line. */
import { unwrap } from '#common/problem.ts';
import { checkEntrypoint } from '#common/safe-path.ts';
import { filesText } from '../text/files-text.ts';
import type { SourceChoice } from './choice.ts';
import { checkRuntime } from './entrypoint.ts';
import { chooseInstall, isNothing, wordsOf } from './install/install-choice.ts';
import { type PackEntry, packEntries } from './pack.ts';
import { chooseRun } from './run-choice.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Throws CliError or ProblemError with the cure. */
export async function prepareInline(
  { code, run }: Extract<SourceChoice, { kind: 'inline' }>,
  { cwd, signal }: Pick<SourceContext, 'cwd' | 'signal'>,
): Promise<ReadySource> {
  const asked = run.entrypoint ?? (run.runtime === 'node' ? 'bot.mjs' : 'bot.py');
  const path = unwrap(checkEntrypoint(asked));
  checkRuntime(path, run.runtime);
  const files = [{ kind: 'file', path, diskPath: path, sizeBytes: 0, executable: false }] as const;
  const started = await chooseRun({ files, namedFiles: [path] }, { ...run, entrypoint: undefined }, signal);
  const { entrypoint, command, language, runtime } = started;
  const install = await chooseInstall(run, { files: [], folder: '', runtime, cwd, signal });
  const entries: readonly PackEntry[] = [{ kind: 'text', path, content: code }, ...install.added];
  return {
    notes: [],
    upload: {
      what: filesText(1, Buffer.byteLength(code)),
      paths: entries.map((entry) => entry.path),
      read: (uploadSignal) => packEntries(entries, { gzip: false }, uploadSignal),
    },
    hasNoRequirements: isNothing(install),
    spec: (artifactSha256) => ({
      case: 'simple',
      value: { artifactSha256, entrypoint, command: [...command], language, ...wordsOf(install) },
    }),
  };
}
