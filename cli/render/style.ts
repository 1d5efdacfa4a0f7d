/** Colours and markers of one output stream: all plain unless it is a terminal. */

export interface Style {
  /** True on a terminal: markers are shown and control characters escaped. */
  readonly terminal: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
}

// SGR codes: start and end (ECMA-48 8.3.117).
const sgr = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`;
const plain = (text: string) => text;

/** `colour` is only heeded on a terminal. */
export function createStyle({ terminal, colour }: { terminal: boolean; colour: boolean }): Style {
  const paint = terminal && colour;
  return {
    terminal,
    bold: paint ? sgr(1, 22) : plain,
    dim: paint ? sgr(2, 22) : plain,
    red: paint ? sgr(31, 39) : plain,
    yellow: paint ? sgr(33, 39) : plain,
  };
}

/** Whether colours are wanted: not with NO_COLOR (https://no-color.org) and not on a dumb terminal. */
export const wantsColour = (env: NodeJS.ProcessEnv | Record<string, string | undefined>): boolean =>
  !env['NO_COLOR'] && env['TERM'] !== 'dumb';
