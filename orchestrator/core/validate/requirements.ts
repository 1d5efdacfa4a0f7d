/**
 * Requirements: one plain specifier per item, so that no item can carry an option, a URL or a second line to the package
 * installer. Python: the name, extras, version and marker parts of PEP 508 (https://peps.python.org/pep-0508/), no direct
 * references. Node: name@range as `npm install` takes it, registry packages only.
 */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { Language } from './bot-request.ts';
import { examples } from './examples.ts';

const maxCount = 200;
const maxLength = 256;

const pythonName = `[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`;
const pythonVersion = `(?:===|==|!=|~=|<=|>=|<|>)[ ]?[A-Za-z0-9.*+!_-]+`;
const pythonMarker = `;[ A-Za-z0-9_.'"<>=!~()+*-]+`;
// For text in which no two spaces stand together: places where any number of them may stand, side by side, would be tried in
// all ways to share them out.
const pythonPattern = new RegExp(
  `^${pythonName}[ ]?(?:\\[[ ]?${pythonName}(?:[ ]?,[ ]?${pythonName})*[ ]?\\])?[ ]?` +
    `(?:${pythonVersion}(?:[ ]?,[ ]?${pythonVersion})*|\\([ ]?${pythonVersion}(?:[ ]?,[ ]?${pythonVersion})*[ ]?\\))?[ ]?(?:${pythonMarker})?$`,
);

// Ranges: digits, words such as "latest", comparators; no ":" or "/", which would make it a URL, alias or folder.
const nodePattern = /^(?:@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*(?:@[A-Za-z0-9.*+^~<>=| -]+)?$/;

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
  if (/[\r\n]/.test(item)) return 'Give each requirement as an item of its own, without line breaks.';
  if (item.startsWith('-')) return 'Options such as --index-url are set by the operator, not by a bot.';
  const reference = item.indexOf('@');
  if (item.includes('://') || (reference >= 0 && item.includes(':', reference))) {
    return 'Only packages of the package index are installed; URLs are not.';
  }
  return language === 'python'
    ? 'Write name and version, for example "aiogram>=3.0,<4".'
    : 'Write name@version, for example "grammy@^1.30".';
}

/** Checks a list of anything. Items are trimmed; empty ones are dropped. */
export function parseRequirements(items: readonly unknown[], language: Language): Result<readonly string[]> {
  const parsed: string[] = [];
  if (items.length > maxCount) {
    return fail(
      problem('INVALID_REQUIREMENTS', `There are ${items.length} requirements; at most ${maxCount} are allowed.`, {
        details: { field: 'requirements', count: items.length },
        hint: 'List only what the bot imports itself; the rest follows as dependencies.',
        example: examples.start,
      }),
    );
  }
  for (const [index, item] of items.entries()) {
    if (typeof item !== 'string') {
      return refusal(String(typeof item), index, 'Give requirements as a list of strings.');
    }
    const trimmed = item.trim();
    if (trimmed === '') continue;
    const pattern = language === 'python' ? pythonPattern : nodePattern;
    if (trimmed.length > maxLength || !pattern.test(trimmed.replace(/ +/g, ' ')))
      return refusal(trimmed, index, hintFor(trimmed, language));
    parsed.push(trimmed);
  }
  return ok(parsed);
}
