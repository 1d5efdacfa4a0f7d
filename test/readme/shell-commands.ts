/** The commands of a `sh` block: one a line, longer with a backslash at its end, an open quote, a here-document or a loop. */

export interface ShellCommand {
  /** As written, without comment lines. */
  readonly text: string;
  /** Line of the page, from 1. */
  readonly line: number;
}

export function shellCommands(block: { readonly text: string; readonly line: number }): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  let open: ShellCommand | undefined;
  for (const [index, line] of block.text.split('\n').entries()) {
    if (!open && /^\s*(#|$)/.test(line)) continue;
    const command: ShellCommand = open
      ? { ...open, text: `${open.text}\n${line}` }
      : { text: line, line: block.line + index };
    open = isOpen(command.text) ? command : undefined;
    if (!open) commands.push(command);
  }
  if (open) throw new Error(`the command of line ${open.line} has no end`);
  return commands;
}

/** Whether the shell would ask for another line. */
function isOpen(text: string): boolean {
  const lines = text.split('\n');
  const ending = /<<\s*'?(\w+)'?$/.exec(lines[0] ?? '')?.[1];
  if (ending !== undefined) return lines.at(-1) !== ending;
  if (/^for .*; do$/.test(lines[0] ?? '')) return lines.at(-1) !== 'done';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '\\' && quote !== "'") {
      at += 1;
      if (at + 1 >= text.length) return true;
    } else if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '#' && /(^|\s)$/.test(text.slice(0, at))) {
      const end = text.indexOf('\n', at);
      if (end < 0) return false;
      at = end;
    }
  }
  return quote !== '';
}
