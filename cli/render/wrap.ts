/** Breaks texts into lines that fit a terminal. Pure. Only spaces are broken at: a longer word gets a line of its own. */

/** How wide help pages are, in columns. */
export const helpColumns = 80;

/** The lines of one paragraph, none wider than `columns` where its words allow. */
export function wrapText(text: string, columns: number): readonly string[] {
  return fill(
    text.split(/\s+/).filter((word) => word !== ''),
    columns,
  );
}

/** Paragraphs with an empty line between them. */
export const wrapParagraphs = (text: string, columns: number): string =>
  text
    .split(/\n{2,}/)
    .map((paragraph) => wrapText(paragraph, columns).join('\n'))
    .join('\n\n');

/** A command line over several lines that a shell takes as one: broken before an option or pipe, never inside quotes. */
export function wrapCommand(line: string, columns: number): readonly string[] {
  // Room for the " \" that ends every line but the last, and the indentation of every line but the first.
  const lines = line.length <= columns ? [line] : fill(unitsOf(line), columns - 4);
  return lines.map((part, index) => `${index === 0 ? '' : '  '}${part}${index === lines.length - 1 ? '' : ' \\'}`);
}

/** Words, an option with what follows it, a pipe with its program. */
function unitsOf(line: string): readonly string[] {
  const words = line.match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? [];
  const units: string[] = [];
  for (const word of words) {
    const last = units.at(-1);
    if (last === undefined || word === '|' || (word.startsWith('-') && !last.startsWith('|'))) units.push(word);
    else units[units.length - 1] = `${last} ${word}`;
  }
  return units;
}

function fill(words: readonly string[], columns: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line === '') line = word;
    else if (line.length + 1 + word.length <= columns) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === '' ? lines : [...lines, line];
}
