/** A command as people write it in a Procfile, in scripts.start or after --command, as the arguments to run. Pure. */

/** No command that starts a bot is longer. */
export const commandMaxLength = 4096;
export const commandWordsMax = 100;

/**
 * Without a shell where none is needed: it would stand between the bot and its signals. Where only the shell knows what is
 * meant, such as $PORT, the shell hands over to the program by exec; it stays only for a line of several commands.
 */
export function commandOf(text: string): readonly string[] {
  const line = text.trim();
  const words = plainWords(line);
  if (words === undefined) return ['/bin/sh', '-c', isOneCommand(line) ? `exec ${envBefore(line)}` : line];
  const own = words[0] === 'exec' ? words.slice(1) : words;
  return isAssignment(own[0]) ? ['env', ...own] : own;
}

/** The words without their quotes; undefined for a line that only a shell understands. */
function plainWords(line: string): readonly string[] | undefined {
  const words: string[] = [];
  let word = '';
  let isBegun = false;
  let quote: string | undefined;
  for (const letter of line) {
    if (quote !== undefined) {
      if (letter === quote) quote = undefined;
      else if (quote === '"' && /[$`\\]/.test(letter)) return undefined;
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      isBegun = true;
    } else if (letter === ' ' || letter === '\t') {
      if (isBegun) words.push(word);
      word = '';
      isBegun = false;
    } else if (/[\\$`;&|<>()*?[\]{}~#!\n\r]/.test(letter)) return undefined;
    else {
      word += letter;
      isBegun = true;
    }
  }
  if (quote !== undefined) return undefined;
  return isBegun ? [...words, word] : words;
}

const isOneCommand = (line: string): boolean =>
  !/[;&|()`\n\r#]|^(?:exec|cd|export|source|if|for|while|\.|!|\{)\b/.test(line);
const isAssignment = (word: string | undefined): boolean => /^[A-Za-z_]\w*=/.test(word ?? '');
const envBefore = (line: string): string => (isAssignment(line) ? `env ${line}` : line);

/** The command as a shell would take it, for people. */
export const commandText = (argv: readonly string[]): string =>
  argv[0] === '/bin/sh' && argv[1] === '-c' && argv.length === 3
    ? (argv[2] ?? '').replace(/^exec (?:env )?/, '')
    : argv.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(' ');

/** A command's language, by its program, else by the files that it names; undefined if neither shows it. */
export function languageOfCommand(argv: readonly string[]): 'python' | 'node' | undefined {
  const words = argv[0] === '/bin/sh' ? (argv[2] ?? '').split(/[\s;&|()]+/) : argv;
  for (const word of words) {
    if (word === 'exec' || word === 'env' || isAssignment(word)) continue;
    const name = word.split('/').at(-1) ?? '';
    if (/^python(?:\d(?:\.\d{1,2})?)?$/.test(name)) return 'python';
    if (['node', 'npm', 'npx', 'tsx', 'ts-node', 'yarn', 'pnpm'].includes(name)) return 'node';
  }
  if (words.some((word) => word.endsWith('.py'))) return 'python';
  return words.some((word) => /\.(?:[mc]?js|m?ts)$/.test(word)) ? 'node' : undefined;
}

/** The file that a command runs with its language's own program and nothing else: then it is an entrypoint. */
export function entrypointOf(argv: readonly string[]): string | undefined {
  const [program = '', ...rest] = argv;
  const args = /^python3?$/.test(program) && rest[0] === '-u' ? rest.slice(1) : rest;
  const [file = '', ...more] = args;
  if (more.length > 0) return undefined;
  const plain = file.replace(/^(?:\.\/)+/, '');
  if (/^python3?$/.test(program) && plain.endsWith('.py')) return plain;
  return program === 'node' && /\.(?:[mc]?js|m?ts)$/.test(plain) ? plain : undefined;
}
