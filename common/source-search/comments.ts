/** Where the comments of a text are. Pure; in time that grows with the text alone. */
import type { Comments } from './file-kinds.ts';

/** Whether a place in the text is in a comment. Asked for places in order. */
export function inComments(text: string, comments: Comments): (at: number) => boolean {
  const next = commentsIn(text, comments);
  let comment = next();
  return (at) => {
    while (comment !== undefined && comment.end <= at) comment = next();
    return comment !== undefined && comment.start <= at;
  };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The comments one after the other. Texts in quotes are passed over, since they may hold what begins a comment. */
function commentsIn(text: string, comments: Comments): () => Range | undefined {
  const begin = comments === 'slash' ? /["'`]|\/[/*]/g : /["'#]/g;
  const endOf = (mark: string, from: number): number => {
    const at = text.indexOf(mark, from);
    return at < 0 ? text.length : at + mark.length;
  };
  const lineEnd = comments === 'slash' ? /\r|\n|\u00e2\u0080[\u00a8\u00a9]/g : /[\r\n]/g;
  const endOfLine = (from: number): number => {
    lineEnd.lastIndex = from;
    return lineEnd.test(text) ? lineEnd.lastIndex : text.length;
  };
  return () => {
    for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
      const { index: start, 0: mark } = found;
      if (mark === '#' || mark === '//') {
        // Shells and settings take a "#" within a word as any other character.
        if (mark === '#' && comments === 'hash' && /\S/.test(text.charAt(start - 1))) continue;
        begin.lastIndex = endOfLine(start);
        return { start, end: begin.lastIndex };
      }
      if (mark === '/*') {
        begin.lastIndex = endOf('*/', start + 2);
        return { start, end: begin.lastIndex };
      }
      const triple = mark.repeat(3);
      if (comments === 'python' && text.startsWith(triple, start)) {
        begin.lastIndex = endOf(triple, start + 3);
        // A string that is not assigned to a name is for readers only.
        const before = text.slice(Math.max(0, start - lookBack), start);
        if (
          /^[ \t]*[rRuUbB]{0,2}$/.test(before.slice(Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r')) + 1))
        ) {
          return { start, end: begin.lastIndex };
        }
      } else begin.lastIndex = endOfQuoted(text, start, mark);
    }
    begin.lastIndex = text.length;
    return undefined;
  };
}
const lookBack = 200;

/** Behind the closing quote, or at the end of the line where there is none. */
function endOfQuoted(text: string, start: number, mark: string): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === mark) return at + 1;
    else if ((character === '\n' || character === '\r') && mark !== '`') return at;
  }
  return text.length;
}
