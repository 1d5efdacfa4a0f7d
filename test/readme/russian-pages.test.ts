/** docs/ru keeps step with the programs and the English pages: the same commands, exit codes, routes, codes and states. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ProblemKind, problemCodes } from '#common/problem-codes.ts';
import { BotStateSchema } from '#gen/botrunner/v1/bot_pb.js';
import { normaliseArgv } from '../../cli/argv/normalise.ts';
import { readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { exitCodes } from '../../cli/failures/exit-codes.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { fencedBlocks } from './fenced-blocks.ts';

const textOf = (page: string): string => readFileSync(checkoutPath(page), 'utf8');
const reference = textOf('docs/ru/07-reference.md');
/** Cells of the tables' rows below a heading, up to the next heading. */
function rowsBelow(page: string, heading: string): string[][] {
  const part = page.split(/^#+ /m).find((candidate) => candidate.startsWith(`${heading}\n`)) ?? '';
  return [...part.matchAll(/^\| (.+) \|$/gm)].map(([, row = '']) => row.split(' | ').map((cell) => cell.trim()));
}
const plain = (cell: string | undefined): string => (cell ?? '').replace(/^`(.*)`$/, '$1');
const cyrillic = /[а-яё]/i;

const commands = await readCommandSpecs();

describe('docs/ru/07-reference.md', () => {
  it('lists every command in the order of the help, with an example that the program takes', () => {
    const rows = rowsBelow(reference, 'Команды CLI').filter(([, , example]) => example?.includes('avtomatika-bot'));
    expect(rows.map(([name]) => plain(name))).toEqual(commands.map(({ name }) => name));
    for (const [name, what, example] of rows) {
      expect(what).toMatch(cyrillic);
      const words = plain(example).split(' ').slice(1);
      expect({ name, kind: normaliseArgv(words, commands).kind }).toEqual({ name, kind: 'run' });
      expect(plain(example)).toContain(`avtomatika-bot ${plain(name)}`);
    }
  });

  it('lists every exit code', () => {
    const listed = rowsBelow(reference, 'Команды CLI').flatMap(([code = '']) =>
      /^\d+$/.test(code) ? [Number(code)] : [],
    );
    expect(listed).toEqual(Object.values(exitCodes));
  });

  it('lists the routes of docs/REST.md', () => {
    const routes = (text: string) =>
      new Set(
        [...text.matchAll(/`((?:GET|POST|PATCH|PUT|DELETE) \/[^`?]*)(?:\?[^`]*)?`/g)].map(([, route = '']) => route),
      );
    const inTables = (page: string) =>
      page
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .join('\n');
    const english = routes(inTables(textOf('docs/REST.md')));
    expect(english.size).toBeGreaterThan(8);
    expect([...routes(inTables(reference))].toSorted()).toEqual([...english].toSorted());
  });

  it('explains every error code, in the order of docs/ERRORS.md, with its HTTP status', () => {
    const rows = [...rowsBelow(reference, 'Отказы'), ...rowsBelow(reference, 'Неудачные задания')].filter(([code]) =>
      code?.startsWith('`'),
    );
    const english = [...textOf('docs/ERRORS.md').matchAll(/^\| `(\w+)` \|/gm)].map(([, code = '']) => code);
    expect(rows.map(([code]) => plain(code))).toEqual(english);
    const kinds: Readonly<Record<string, ProblemKind>> = problemCodes;
    expect(rows.map(([code, , http]) => [plain(code), http])).toEqual(
      english.map((code) => [code, String(kinds[code]?.http)]),
    );
    for (const [, meaning] of rows) expect(meaning).toMatch(cyrillic);
  });
});

it('docs/ru/02-how-it-works.md explains every state of a bot', () => {
  const states = BotStateSchema.values
    .map(({ localName }) => localName.toLowerCase())
    .filter((s) => s !== 'unspecified');
  const listed = rowsBelow(textOf('docs/ru/02-how-it-works.md'), 'Что бывает с ботом').flatMap(([names = '']) =>
    [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  );
  expect(listed.toSorted()).toEqual(states.toSorted());
});

it.each([
  ['FIRST-BOT', '09-first-bot'],
  ['OPERATIONS', '10-operations'],
  ['TROUBLESHOOTING', '11-troubleshooting'],
])('docs/%s.md and docs/ru/%s.md have the same commands', (english, russian) => {
  const commands = (page: string) => fencedBlocks(textOf(page)).filter(({ language }) => language === 'sh');
  const texts = (page: string) =>
    commands(page).map(({ text, file, runBy, endsWith }) => ({ text, file, runBy, endsWith }));
  expect(texts(`docs/${english}.md`).length).toBeGreaterThan(0);
  expect(texts(`docs/ru/${russian}.md`)).toEqual(texts(`docs/${english}.md`));
});

it('docs/ru/README.md leads to every chapter, and each chapter back', () => {
  const chapters = readdirSync(checkoutPath('docs/ru')).filter((name) => /^\d\d-.*\.md$/.test(name));
  const readme = textOf('docs/ru/README.md');
  const linked = [...readme.matchAll(/\]\((\d\d-[\w-]+\.md)\)/g)].map(([, name = '']) => name);
  expect(linked).toEqual(chapters.toSorted());
  expect(chapters).toHaveLength(11);
  for (const name of chapters) expect(textOf(`docs/ru/${name}`)).toContain('](README.md)');
});
