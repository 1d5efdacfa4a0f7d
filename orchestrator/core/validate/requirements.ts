/** The list of packages of a request: plain requirements, and where everything else that an installer takes belongs. Pure. */

import type { Language } from '#common/language.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { isPlainRequirement } from '#common/requirements/plain.ts';
import { examples } from './examples.ts';

const maxCount = 200;
function refusal(item: string, index: number, hint: string) {
  return fail(
    problem('INVALID_REQUIREMENTS', `Requirement ${JSON.stringify(item.slice(0, 80))} is not a plain requirement.`, {
      details: { field: 'requirements', index },
      hint,
      example: examples.start,
    }),
  );
}

function hintFor(item: string, language: Language): string {
  if (/[\r\n]/.test(item)) return 'Give each requirement as a separate item, without line breaks.';
  const file = language === 'python' ? 'requirements.txt' : 'package.json';
  const elsewhere = `belong into a ${file} among the files, named in "requirement_files"`;
  if (item.startsWith('-')) return `Options ${elsewhere}.`;
  const reference = item.indexOf('@');
  if (item.includes('://') || (reference >= 0 && item.includes(':', reference))) return `Links ${elsewhere}.`;
  if (/^\.|[\\/]/.test(item) && language === 'python') return `Folders and archives ${elsewhere}.`;
  return language === 'python'
    ? 'Write name and version, for example "aiogram>=3.0,<4".'
    : 'Write name@version, for example "grammy@^1.30".';
}

/** Checks a list of anything. Items are trimmed; one of spaces alone is a mistake: something was left out there. */
export function parseRequirements(items: readonly unknown[], language: Language): Result<readonly string[]> {
  const parsed: string[] = [];
  if (items.length > maxCount) {
    return fail(
      problem('INVALID_REQUIREMENTS', `There are ${items.length} requirements; at most ${maxCount} are allowed.`, {
        details: { field: 'requirements', count: items.length },
        hint: 'List only what the bot itself imports; dependencies follow automatically.',
        example: examples.start,
      }),
    );
  }
  for (const [index, item] of items.entries()) {
    if (typeof item !== 'string') {
      return refusal(String(typeof item), index, 'Give requirements as a list of strings.');
    }
    const trimmed = item.trim();
    if (trimmed === '') return refusal(item, index, 'Name a package in each item, or leave the item out.');
    if (!isPlainRequirement(trimmed, language)) return refusal(trimmed, index, hintFor(trimmed, language));
    parsed.push(trimmed);
  }
  return ok(parsed);
}
