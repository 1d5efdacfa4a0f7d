/** Lines of a text. Pure. */

/** The line of a place, in time that grows with the text alone as far as places are asked for in order; else it is counted anew. */
export function lineCounter(text: string, first: number): (at: number) => number {
  let line = first;
  let end = text.indexOf('\n');
  let last = 0;
  return (at) => {
    if (at < last) [line, end] = [first, text.indexOf('\n')];
    last = at;
    for (; end >= 0 && end < at; end = text.indexOf('\n', end + 1)) line += 1;
    return line;
  };
}
