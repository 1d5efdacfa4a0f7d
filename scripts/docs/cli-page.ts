/** docs/CLI.md: written by hand but for the help pages in it, which are those of the program. */
import { readFileSync } from 'node:fs';
import { version } from '#common/version.ts';
import { readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { renderCommandHelp, renderGeneralHelp } from '../../cli/render/help.ts';
import { checkoutPath } from '../process/checkout.ts';

/** The page as it is, with the help pages as they should be: the first block of text in it, and that of each command. */
export async function cliPage(): Promise<string> {
  const commands = await readCommandSpecs();
  const page = readFileSync(checkoutPath('docs', 'CLI.md'), 'utf8');
  const [head = '', ...sections] = page.split(/^(?=## )/m);
  return [
    withHelp(head, renderGeneralHelp(commands, version)),
    ...sections.map((section) => {
      const command = commands.find(({ name }) => section.startsWith(`## ${name}\n`));
      return command === undefined ? section : withHelp(section, renderCommandHelp(command, commands));
    }),
  ].join('');
}

const withHelp = (section: string, help: string): string =>
  section.replace(/^```text\n.*?\n```$/ms, () => `\`\`\`text\n${help}\n\`\`\``);
