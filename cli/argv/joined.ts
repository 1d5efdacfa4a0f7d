/**
 * Few words instead of many. At each word clipanion copies all that it has read, so that the ten thousand files of a `--simple *`
 * would take it ten seconds. So it gets the values of one option as one word, and the positionals after the first as another.
 * Between the values is a NUL, which no word of a process can hold. Pure.
 */
const between = '\0';

/** `argv` as normaliseArgv() makes it: the words of the command, options, `--`, positionals. */
export function join(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const [first, ...others] = argv.slice(end + 1);
  const command: string[] = [];
  const options = new Map<string, string[]>();
  for (const word of argv.slice(0, end)) {
    if (!word.startsWith('-')) command.push(word);
    else {
      const split = word.indexOf('=');
      const name = split < 0 ? word : word.slice(0, split);
      const values = options.get(name) ?? [];
      if (split >= 0) values.push(word.slice(split + 1));
      options.set(name, values);
    }
  }
  return [
    ...command,
    ...[...options].map(([name, values]) => (values.length === 0 ? name : `${name}=${values.join(between)}`)),
    '--',
    ...(first === undefined ? [] : [first]),
    ...(others.length === 0 ? [] : [others.join(between)]),
  ];
}

/** What a field has that clipanion filled from joined words: all values of a list, the last one of a text. */
export function separate(value: unknown): unknown {
  if (Array.isArray(value))
    return value.flatMap((item: unknown) => (typeof item === 'string' ? item.split(between) : item));
  return typeof value === 'string' ? value.slice(value.lastIndexOf(between) + 1) : value;
}
