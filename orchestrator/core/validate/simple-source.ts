/** The source of simple mode: code or files, what is run and installed. Pure. */

import type { Language } from '#common/language.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { checkEntrypoint, checkFileSet } from '#common/safe-path.ts';
import type { InlineSource } from './bot-request.ts';
import { examples } from './examples.ts';
import { type Data, isAbsent, refuseForeignFields } from './fields.ts';
import { parseInstall } from './simple-install.ts';
import { parseRun } from './simple-run.ts';

const filesMax = 10_000;

function parseFiles(value: unknown): Result<ReadonlyMap<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(
      problem('INVALID_FILES_FORMAT', '"files" is not an object.', {
        details: { field: 'files' },
        example: examples.files,
      }),
    );
  }
  const given = Object.keys(value);
  if (given.length > filesMax) {
    return fail(
      problem('INVALID_FILES_FORMAT', `"files" has ${given.length} files; at most ${filesMax} are allowed.`, {
        details: { field: 'files', max: filesMax },
        hint: 'Leave out what the bot does not need.',
        example: examples.files,
      }),
    );
  }
  const names = checkFileSet(given);
  if (!names.ok) return fail({ ...names.problem, example: examples.files });
  const files = new Map<string, string>();
  for (const [name, content] of Object.entries(value)) {
    if (typeof content !== 'string') {
      return fail(
        problem('INVALID_FILE_CONTENT', `The content of ${JSON.stringify(name.slice(0, 80))} is not text.`, {
          details: { field: 'files', name: name.slice(0, 255) },
          hint: 'Give the content as a string. For binary files use the CLI: avtomatika-bot start BOT --simple DIR',
          example: examples.files,
        }),
      );
    }
    files.set(name, content);
  }
  if (files.size === 0) {
    return fail(problem('EMPTY_FILES', '"files" is empty.', { details: { field: 'files' }, example: examples.files }));
  }
  return ok(files);
}

function parseLanguage(value: unknown): Result<Language | undefined> {
  if (isAbsent(value)) return ok(undefined);
  if (value === 'python' || value === 'node') return ok(value);
  return fail(
    problem('INVALID_ENTRYPOINT', '"runtime" is neither python nor node.', {
      details: { field: 'runtime' },
      hint: 'Leave it out to derive it from the entrypoint, or use "python" or "node".',
      example: examples.files,
    }),
  );
}

export function parseSimpleSource(data: Data): Result<InlineSource> {
  const hasCode = !isAbsent(data['code']) && data['code'] !== '';
  const hasFiles = !isAbsent(data['files']);
  if (hasCode && hasFiles) {
    return fail(
      problem('CONFLICTING_FIELDS', '"code" and "files" cannot be combined.', {
        details: { fields: ['code', 'files'] },
        hint: 'Use "code" for one file, "files" for several.',
        example: examples.files,
      }),
    );
  }
  if (!hasCode && !hasFiles) {
    return fail(
      problem('MISSING_CODE', 'Simple mode needs "code" or "files".', {
        details: { field: 'code' },
        example: examples.start,
      }),
    );
  }
  const foreign = refuseForeignFields('simple', data);
  if (!foreign.ok) return foreign;
  const wanted = parseLanguage(data['runtime']);
  if (!wanted.ok) return wanted;
  const files = hasCode ? parseCode(data, wanted.value) : parseFiles(data['files']);
  if (!files.ok) return files;
  const run = parseRun(data, files.value, wanted.value);
  if (!run.ok) return run;
  const install = parseInstall(data, hasCode ? undefined : files.value, run.value.language);
  if (!install.ok) return install;
  return ok({ kind: 'inline', files: files.value, ...run.value, ...install.value });
}

/** One file of the name that is run, or of a usual one for a command. */
function parseCode(data: Data, language: Language | undefined): Result<ReadonlyMap<string, string>> {
  if (typeof data['code'] !== 'string') {
    return fail(
      problem('INVALID_FILE_CONTENT', '"code" is not text.', { details: { field: 'code' }, example: examples.start }),
    );
  }
  const fallback = language === 'node' ? 'bot.mjs' : 'bot.py';
  const entrypoint = checkEntrypoint(isAbsent(data['entrypoint']) ? fallback : data['entrypoint']);
  return entrypoint.ok ? ok(new Map([[entrypoint.value, data['code']]])) : entrypoint;
}
