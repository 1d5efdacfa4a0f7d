/** The way of a request through the files of a program, by the calls that were made for it. Pure. */

/** A function was called, and by whom. */
export interface MadeCall {
  readonly path: string;
  readonly name: string;
  readonly by: MadeCall | undefined;
}

/** A part of the way: from a file, through another, to a function, as "path name". */
export interface Stage {
  readonly from: RegExp;
  readonly through: RegExp;
  readonly to: RegExp;
}

/**
 * The callers of the first call of the stage's function that came from its first file by way of the one between, in the order in which
 * they called. A file is named once, at its first place: one that is entered again is one that the reader has open. Throws when there
 * is no such call.
 */
export function wayOf(calls: readonly MadeCall[], { from, through, to }: Stage): readonly string[] {
  for (const call of calls) {
    if (!to.test(call.path) && !to.test(`${call.path} ${call.name}`)) continue;
    const way = filesTo(call, from);
    if (way.some((path) => through.test(path))) return way;
  }
  throw new Error(`no call went from ${from} through ${through} to ${to}`);
}

/** Empty for a call that did not come from there. */
function filesTo(call: MadeCall, from: RegExp): readonly string[] {
  const way: string[] = [];
  for (let at: MadeCall | undefined = call; at !== undefined; at = at.by) {
    way.unshift(at.path);
    if (from.test(at.path) && (at.by === undefined || !from.test(at.by.path))) return [...new Set(way)];
  }
  return [];
}
