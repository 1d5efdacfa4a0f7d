/**
 * The bot's own modules, by the names at the top of its source: their names are never treated as packages. Pure.
 */

const namesMax = 200;
const module = /^[A-Za-z_]\w{0,80}$/;

export interface OwnModules {
  /** Takes the path of a file, relative to the top. */
  add(path: string): void;
  /**
   * Names that code of the bot may import, at most 401: of files of Python and Node, and of folders. Where all lies in one
   * folder, as in an archive of a repository, the names in it count too.
   */
  names(): readonly string[];
}

export function createOwnModules(): OwnModules {
  const tops = new Set<string>();
  const seconds = new Set<string>();
  /** The folder in which all lies so far; undefined once there is something beside it. */
  let only: string | undefined;
  let begun = false;
  return {
    add(path) {
      const [top = '', second, ...rest] = path.split('/', 3);
      add(tops, top, second !== undefined);
      only = second !== undefined && (!begun || only === top) ? top : undefined;
      begun = true;
      if (second !== undefined) add(seconds, second, rest.length > 0);
    },
    names: () => [...(only !== undefined ? new Set([...tops, ...seconds]) : tops)],
  };
}

function add(names: Set<string>, part: string, isFolder: boolean): void {
  if (names.size >= namesMax) return;
  const name = isFolder ? part : /^(.{1,81})\.(?:py|[cm]?[jt]s)$/.exec(part)?.[1];
  if (name !== undefined && module.test(name)) names.add(name);
}
