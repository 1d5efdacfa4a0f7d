/**
 * What a rule of the table is. Each recognises one line of a log or of a build's output, and may look at what was printed just
 * before it. Pure.
 *
 * 1. A log is written by a stranger's bot and by people who chat with it: nothing in a line is repeated but names that fit a
 *    narrow pattern.
 * 2. A package is proposed by name only if it is a known one: a name that a bot's own code uses may be anybody's package.
 */

export interface Line {
  readonly text: string;
  /** What was printed just before, oldest first, each shortened; at most linesBefore. */
  readonly before: readonly string[];
  /** Which line since the process was started, from 1. */
  readonly number: number;
  /** Names of the bot's own modules and folders at the top of its source; undefined where they are not known. */
  readonly ownModules?: ReadonlySet<string> | undefined;
}

/** How many lines back a rule may look. */
export const linesBefore = 12;

/** What is wrong, and what to do about it: two parts of one sentence, each without its end. */
export interface Explanation {
  readonly what: string;
  readonly cure: string;
}

export interface Rule {
  /** Stable, for tests; two rules that say the same may share one. */
  readonly id: string;
  /** Whether it is about what a bot prints, what a build prints, or either. */
  readonly at: 'run' | 'build' | 'any';
  /** Undefined when the line does not match this rule. */
  readonly explain: (line: Line) => Explanation | undefined;
}

/** A rule for the lines that fit the pattern, as far as `explain` agrees. */
export const rule = (
  at: Rule['at'],
  id: string,
  pattern: RegExp,
  explain: Explanation | ((match: RegExpExecArray, line: Line) => Explanation | undefined),
): Rule => ({
  id,
  at,
  explain: (line) => {
    const match = pattern.exec(line.text);
    if (match === null) return undefined;
    return typeof explain === 'function' ? explain(match, line) : explain;
  },
});

/** Lines after which a bot has started; what is written of files later is not for us to judge. */
const firstLines = 50;

/** For rules that hold for the start of a bot only. */
export const atStart = (line: Line, explanation: Explanation | undefined): Explanation | undefined =>
  line.number <= firstLines ? explanation : undefined;
