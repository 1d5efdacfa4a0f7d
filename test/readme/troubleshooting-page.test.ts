/** docs/TROUBLESHOOTING.md: what it quotes is what the programs say, its links and commands work. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { problemCodes } from '#common/problem-codes.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { startTestPlatform } from '../kit/platform-for-tests.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { assertCode, PageShell } from './page-shell.ts';
import { shellCommands } from './shell-commands.ts';

const page = 'docs/TROUBLESHOOTING.md';
const text = readFileSync(checkoutPath(page), 'utf8');
const russian = readFileSync(checkoutPath('docs/ru/11-troubleshooting.md'), 'utf8');

/** The sources of the programs, with texts that are written in pieces as one, and without escapes. */
const sources = ['cli', 'common', 'orchestrator', 'worker', 'scripts']
  .flatMap((room) =>
    readdirSync(checkoutPath(room), { recursive: true, encoding: 'utf8' }).map((name) => join(room, name)),
  )
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .map((path) => readFileSync(checkoutPath(path), 'utf8'))
  .join('\n')
  .replace(/['"`] \+\n\s*['"`]/g, '')
  .replaceAll('\\', '');

/** What the first column of the tables quotes, without what only its reader types. */
const quotes = (table: string): string[] =>
  [...table.matchAll(/^\| (.*?) \|/gm)]
    .flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, words = '']) => words))
    .filter((words) => !words.startsWith('mode.'))
    .filter((words) => words.includes(' ') || words.includes('_') || words === words.toLowerCase());
const quoted = quotes(text);

it('its Russian page quotes the same', () => {
  expect(quotes(russian).length).toBeGreaterThan(30);
  expect(quotes(russian).filter((words) => !quoted.includes(words))).toEqual([]);
});

it('quotes only what the programs say', () => {
  expect(quoted.length).toBeGreaterThan(55);
  const pieces = quoted.flatMap((words) => words.split('...').map((piece) => ({ words, piece: piece.trim() })));
  // Node.js says this one, before the command line runs.
  const ofNode = 'node: bot.env: not found';
  expect(pieces.filter(({ piece }) => piece !== ofNode && !sources.includes(piece))).toEqual([]);
});

it('names error codes that exist', () => {
  const codes = quoted.filter((words) => /^[A-Z]+_[A-Z_]+$/.test(words));
  expect(codes.length).toBeGreaterThan(4);
  for (const code of codes) expect(Object.keys(problemCodes)).toContain(code);
});

it('is where docs/ERRORS.md leads to', () => {
  expect(readFileSync(checkoutPath('docs/ERRORS.md'), 'utf8')).toContain('](TROUBLESHOOTING.md)');
});

it('shows commands that work', { timeout: 120_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'troubleshooting-'));
  symlinkSync(checkoutPath('cli', 'bin', 'avtomatika-bot.js'), join(dir, 'avtomatika-bot'));
  const platform = await startTestPlatform({ RUNTIME: 'process' });
  using shell = new PageShell(dir, {
    PATH: `${dir}:${process.env['PATH'] ?? ''}`,
    AVTOMATIKA_URL: platform.url,
    AVTOMATIKA_TOKEN: 'test-client-token',
  });
  try {
    const code = 'console.error("no database"); process.exit(1)';
    expect(await platform.cli(['start', 'my-bot', '--code', code, '--runtime', 'node'])).toMatchObject({ code: 3 });
    const commands = fencedBlocks(text)
      .filter(({ language }) => language === 'sh')
      .flatMap(shellCommands);
    const printed = new Map<string, string>();
    for (const { text: command, line } of commands) {
      const end = await shell.run(command);
      assertCode(end, 0, `${page}, line ${line}: ${command}`);
      printed.set(command.replace(/ +(\|\||#).*/, ''), end.stdout);
    }
    expect(printed.get('avtomatika-bot status my-bot')).toMatch(/State +crash_loop/);
    expect(printed.get('avtomatika-bot logs my-bot -n 100')).toContain('no database');
    expect(printed.get('avtomatika-bot events --bot my-bot -n 20')).toContain('crash_loop');
    expect((await shell.run('avtomatika-bot delete my-bot --purge -y')).code).toBe(0);
  } finally {
    await platform[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  }
});
