/** Keeps docs/CLI.md true: its help pages, exit codes and examples are compared with the program. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { normaliseArgv } from '../../cli/argv/normalise.ts';
import type { CliContext } from '../../cli/calls/context.ts';
import { loadCommand, readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { DeployCommand } from '../../cli/commands/deploy-command.ts';
import { bindWords } from '../../cli/commands/register.ts';
import { exitCodeMeanings, exitCodes } from '../../cli/failures/exit-codes.ts';
import { renderCommandReference, renderGeneralHelp, renderHelp } from '../../cli/render/help.ts';
import { chooseSource } from '../../cli/source/choose.ts';
import { version } from '../../common/version.ts';

const page = await readFile(resolve(import.meta.dirname, '../../docs/CLI.md'), 'utf8');
const commands = await readCommandSpecs();
const section = (title: string): string => page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, 'gs'))].map((match) => match[1] ?? '');

describe('docs/CLI.md', () => {
  it('shows the help of the program', () => {
    expect(blocks('text')[0]).toBe(renderGeneralHelp(commands, version));
  });

  it.each(commands.map((command) => [command.name, command] as const))('shows the help of %s', (name, command) => {
    expect(section(name)).toContain(`\`\`\`text\n${renderCommandReference(command, commands)}\n\`\`\``);
  });

  it('has the global options once', () => {
    for (const option of ['--url URL', '--token TOKEN', '-h, --help'])
      expect(page.split('\n').filter((line) => line.startsWith(`  ${option}`))).toHaveLength(1);
  });

  it.each([undefined, ...commands.map(({ name }) => name)])('fits 80 columns: the help of %s', (name) => {
    const wide = renderHelp(name, commands, version)
      .split('\n')
      .filter((line) => line.length > 80);
    expect(wide).toEqual([]);
  });

  it('has a section for each command and none for others', () => {
    const titles = [...page.matchAll(/^## ([a-z]+( [a-z]+)?)$/gm)].map((match) => match[1]);
    expect(titles).toEqual(commands.map(({ name }) => name));
  });

  it('lists every exit code with its meaning', () => {
    const rows = [...section('Exit codes').matchAll(/^\| (\d+) \| (.*) \|$/gm)].map((match) => [
      Number(match[1]),
      match[2],
    ]);
    expect(rows).toEqual(
      Object.entries(exitCodes).map(([name, code]) => [code, exitCodeMeanings[name as keyof typeof exitCodes]]),
    );
  });

  const examples = [
    ...blocks('sh')
      .join('\n')
      .matchAll(/^(?:npx )?avtomatika-bot (.*)$/gm),
  ].map((match) => match[1] ?? '');
  const ownExamples = commands.flatMap((command) =>
    command.examples.map(([, line]) => line.replace(/^avtomatika-bot /, '')),
  );

  it.each([...examples, ...ownExamples])('gives an example that the program takes: %s', async (line) => {
    const parsed = normaliseArgv(shellWords(line), commands);
    expect(parsed.kind).toMatch(/^(run|version)$/);
    if (parsed.kind !== 'run') return;
    // No more of the context is read to bind values.
    const command = bindWords(await loadCommand(parsed.command), parsed.argv, { env: {} } as CliContext);
    if (command instanceof DeployCommand) expect(() => chooseSource(command)).not.toThrow();
  });

  it('has an example with each option', () => {
    const words = [...examples, ...ownExamples].flatMap(shellWords);
    const unused = commands
      .flatMap(({ options }) => options)
      .filter(({ names }) => !words.some((word) => names.some((name) => word === name || word.startsWith(`${name}=`))));
    expect(unused.map(({ names }) => names.join(', '))).toEqual([]);
  });
});

/** An example as a shell would split it, up to a pipe or redirection: words, some of them in quotes. */
function shellWords(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
  const end = words.findIndex((word) => ['|', '||', '>', '<', '#'].includes(word));
  return end < 0 ? words : words.slice(0, end);
}
