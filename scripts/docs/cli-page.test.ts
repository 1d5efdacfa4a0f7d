import { describe, expect, it } from 'vitest';
import { readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { cliPage, withHelp } from './cli-page.ts';

const commands = await readCommandSpecs();

describe('docs/CLI.md', () => {
  it('keeps what is written by hand, and nothing else', async () => {
    const page = await cliPage();
    const edited = page.replace('Usage: avtomatika-bot stop', 'Usage: something else');
    expect(edited).not.toBe(page);
    expect(withHelp(edited, commands)).toBe(page);
    const added = page.replace('\n## update', '\nA line of ours.\n\n## update');
    expect(withHelp(added, commands)).toBe(added);
  });

  it('gets a section for a command that has none, in its place', async () => {
    const page = await cliPage();
    const without = page.replace(/^## stop\n.*?(?=^## delete\n)/ms, '');
    expect(without).not.toContain('## stop');
    const titles = [...withHelp(without, commands).matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles).toEqual([...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title));
    expect(withHelp(without, commands)).toContain('Usage: avtomatika-bot stop BOT... [options]');
  });

  it('has every command when it had none', () => {
    const titles = [...withHelp('# Title\n', commands).matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles).toEqual(commands.map(({ name }) => name));
  });
});
