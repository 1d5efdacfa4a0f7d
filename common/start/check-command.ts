/** A command as a request gives it: a line of text, or its words. Pure. */
import { fail, ok, problem, type Result } from '../problem.ts';
import { commandMaxLength, commandOf, commandWordsMax } from './command-line.ts';

const example = 'avtomatika-bot start my-bot --simple . --command "python -m mybot"';

/** Program and arguments. INVALID_ENTRYPOINT with the field `command`. */
export function checkCommand(value: unknown): Result<readonly string[]> {
  const words: unknown = typeof value === 'string' ? commandOf(value) : value;
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string')) {
    return refused('The command is neither text nor a list of texts.');
  }
  const [program = ''] = words;
  if (program.trim() === '') return refused('The command is empty.');
  if (words.length > commandWordsMax || words.join(' ').length > commandMaxLength) {
    return refused(`The command is longer than ${commandWordsMax} words or ${commandMaxLength} characters.`);
  }
  // What a process cannot be given, and what would end a line of a log.
  if (words.some((word) => /[\0]/.test(word) || !word.isWellFormed())) {
    return refused('The command has a character in it that no program can be given.');
  }
  return ok(words);
}

const refused = (message: string) =>
  fail(
    problem('INVALID_ENTRYPOINT', message, {
      details: { field: 'command' },
      hint: 'Write what starts the bot in its folder, for example "python -m mybot".',
      example,
    }),
  );
