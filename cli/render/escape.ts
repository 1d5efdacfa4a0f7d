/**
 * Makes text of bots, builds and servers safe to print on a terminal. Without it a log line could clear the screen, set
 * the title, write to the clipboard (OSC 52), overwrite earlier text (CR, BS) or reorder it (bidi overrides).
 */
import type { Json } from '#common/json.ts';

// C0 but TAB, DEL, C1; marks and overrides of the bidi algorithm (Unicode TR9); line separators that terminals may
// honour; invisible characters without a use in plain text (but not U+200C and U+200D, which scripts and emoji need).
const unsafe =
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

// Of what is no output of a bot: longer texts than this help nobody, and may be meant to fill the terminal.
const textMaxLength = 4_096;

/** One line of text, cut where it is endless, with every character that could act on the terminal written as \xNN or \u{NNNN}. */
export const escapeControls = (text: string): string => escapeAll(withoutRest(text));

function withoutRest(text: string): string {
  const left = text.length - textMaxLength;
  return left > 0 ? `${text.slice(0, textMaxLength)}... (${left} more characters)` : text;
}

function escapeAll(text: string): string {
  return text.toWellFormed().replace(unsafe, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`;
  });
}

/** The same for a text of several lines: line ends stay. */
export const escapeLines = (text: string): string =>
  text
    .split(/\r\n|\n/)
    .map(escapeControls)
    .join('\n');

// CSI, OSC and the other sequences that ESC or a C1 control begins (ECMA-48 5.3 to 5.6), also cut off at the end of the line.
const sequences =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*(?:[@-~]|$)|(?:\u001b[\]P^_X]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|\u001b[ -/]*(?:[0-Z\\`-~]|$)/g;

const withoutSequences = (line: string): string => line.replace(sequences, '');

/**
 * One line of a bot without its escape sequences: colours and cursor movements are left out, every other character that could act on
 * a terminal is written out. A CR before the line end is how some programs end lines; it carries no meaning.
 */
export const safeOutput = (line: string): string => escapeAll(withoutSequences(line).replace(/\r$/, ''));

/**
 * One line of a build as it would look on a terminal without colours: what moves the cursor or paints is left out, and of a
 * line that was written over with CR the last is what stays. Safe like escapeControls.
 */
export function plainOutput(line: string): string {
  const written = withoutLineEnds(withoutSequences(line));
  return escapeControls(written.slice(written.lastIndexOf('\r') + 1));
}

/** The same value as JSON.stringify writes, with every character that could act on a terminal as \uNNNN. */
export const safeJson = (value: Json): string =>
  JSON.stringify(value).replace(unsafe, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );

function withoutLineEnds(text: string): string {
  let end = text.length;
  while (text[end - 1] === '\r' || text[end - 1] === '\n') end -= 1;
  return text.slice(0, end);
}
