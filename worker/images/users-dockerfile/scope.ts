/** The variables that a stage of a Dockerfile has, as far as the Dockerfile says it: ARG, and ENV that overrides it. Pure. */
import { expandWord, type Variables } from './variables.ts';
import { splitWords } from './words.ts';

export interface StageScope {
  /** What has a value that is known. */
  readonly variables: Variables;
  /** Those of its environment, which a stage that builds on it has, too. */
  readonly env: Variables;
  /** A variable of ARG; undefined for one whose value is not known. */
  setArg(name: string, value: string | undefined): void;
  /** The arguments of ENV. */
  setEnv(text: string, escapeChar: string): void;
}

/** `before`: the environment of the stage that it builds on. */
export function createStageScope(before: Variables = new Map()): StageScope {
  const args = new Map<string, string | undefined>();
  /** A value that is not known hides one of before, and of an ARG. */
  const own = new Map<string, string | undefined>();
  const env: Variables = { get: (name) => (own.has(name) ? own.get(name) : before.get(name)) };
  const variables: Variables = { get: (name) => (own.has(name) ? own.get(name) : (env.get(name) ?? args.get(name))) };
  return {
    variables,
    env,
    setArg: (name, value) => void args.set(name, value),
    setEnv(text, escapeChar) {
      const words = splitWords(text, escapeChar);
      const isOld = !(words[0] ?? '').includes('=');
      const pairs = isOld
        ? [[words[0] ?? '', words.slice(1).join(' ')] as const]
        : words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] as const);
      // All of one instruction have the values from before it.
      const values = pairs.map(([name, word]) => [name, expandWord(word, variables, escapeChar)] as const);
      for (const [name, expanded] of values) {
        own.set(name, expanded === undefined || expanded.unset.length > 0 ? undefined : expanded.value);
      }
    },
  };
}
