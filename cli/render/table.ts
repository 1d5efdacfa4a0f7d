/** Columns of text, and lists of facts. */

/** How many terminal columns a text takes: emoji markers take two. Other text here is ASCII or escaped. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += /\p{Emoji_Presentation}/u.test(character) ? 2 : 1;
  return width;
}

const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - displayWidth(text)));

/** Rows under a header, columns two spaces apart, no trailing spaces. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => displayWidth(row[column] ?? ''))));
  return all
    .map((row) =>
      widths
        .map((width, column) => pad(row[column] ?? '', width))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** "  Name   value" lines; facts without a value are left out. */
export function renderFacts(facts: readonly (readonly [string, string | undefined])[]): string {
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '');
  const width = Math.max(0, ...known.map(([name]) => displayWidth(name)));
  return known.map(([name, value]) => `  ${pad(name, width)}  ${value}`).join('\n');
}
