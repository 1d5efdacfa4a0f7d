/** What a real program printed when it failed, with how to see it again. */
export interface Fixture {
  /** `run`: the log of a bot. `build`: the output of a build. `git`, `pull`: what the program of that name or the engine said. */
  readonly kind: string;
  readonly command: string;
  readonly versions: string;
  /** Null: it was ended after it had said enough. */
  readonly exitCode: number | null;
  /** The bot's files. */
  readonly files: readonly string[];
  /** What makes it again; or how it was recorded. */
  readonly origin: string;
  readonly output: string;
}

const line = '----';

export const formatFixture = ({ kind, command, versions, exitCode, files, origin, output }: Fixture): string =>
  [
    `kind: ${kind}`,
    `command: ${command}`,
    `versions: ${versions}`,
    `exit code: ${exitCode ?? 'none'}`,
    `files: ${files.join(', ')}`,
    `origin: ${origin}`,
    line,
    output,
  ].join('\n');

/** Throws for a text that formatFixture did not write. */
export function parseFixture(text: string): Fixture {
  const end = text.indexOf(`\n${line}\n`);
  if (end < 0) throw new Error('a fixture without its head');
  const head = new Map(
    text
      .slice(0, end)
      .split('\n')
      .map((each) => [each.slice(0, each.indexOf(': ')), each.slice(each.indexOf(': ') + 2)] as const),
  );
  const field = (name: string): string => {
    const value = head.get(name);
    if (value === undefined) throw new Error(`a fixture without "${name}"`);
    return value;
  };
  const exitCode = field('exit code');
  return {
    kind: field('kind'),
    command: field('command'),
    versions: field('versions'),
    exitCode: exitCode === 'none' ? null : Number(exitCode),
    files: field('files').split(', ').filter(Boolean),
    origin: field('origin'),
    output: text.slice(end + line.length + 2),
  };
}
