/** docs/CLI.md: written by hand but for the help in it, which is the program's. */
import { readFileSync } from 'node:fs';
import { version } from '#common/version.ts';
import type { CommandSpec } from '../../cli/argv/command-spec.ts';
import { readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { renderCommandReference, renderGeneralHelp } from '../../cli/render/help.ts';
import { checkoutPath } from '../process/checkout.ts';

export const cliPage = async (): Promise<string> =>
  withHelp(readFileSync(checkoutPath('docs', 'CLI.md'), 'utf8'), await readCommandSpecs());

/**
 * The page as it is, with the help as it should be: the general one at its top, and that of each command at the top of the
 * command's section. A command without a section gets one, behind the command before it.
 */
export function withHelp(page: string, commands: readonly CommandSpec[]): string {
  const [head = '', ...written] = page.split(/^(?=## )/m);
  const sections = [...written];
  let at = sections.length;
  for (const command of commands) {
    const found = sections.findIndex((section) => section.startsWith(`## ${command.name}\n`));
    if (found < 0) sections.splice(at, 0, `## ${command.name}\n\n`);
    else at = found;
    sections[at] = withBlock(sections[at] ?? '', renderCommandReference(command, commands));
    at += 1;
  }
  return [withBlock(head, renderGeneralHelp(commands, version)), ...sections].join('');
}

/** Warns editors of the page that the block below is overwritten. */
const mark = '<!-- Written by "npm run docs". -->';

/** The text with this in its marked block, which goes to its end when there is none. */
function withBlock(text: string, help: string): string {
  const wanted = `${mark}\n\`\`\`text\n${help}\n\`\`\``;
  const start = text.indexOf(mark);
  if (start < 0) return `${text}${wanted}\n\n`;
  const end = /^```$/m.exec(text.slice(start))?.index ?? 0;
  return `${text.slice(0, start)}${wanted}${text.slice(start + end + 3)}`;
}
