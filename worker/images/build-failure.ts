/** What a build printed last, and what it means in one sentence. Pure; used by every runtime. */
import { type Problem, problem } from '#common/problem.ts';

const tailLines = 30;
const tailLineLength = 400;

/** Keeps the end of a build's output for the failure it may end with. */
export interface OutputTail {
  add(line: string): void;
  lines(): readonly string[];
}

export function createOutputTail(): OutputTail {
  const kept: string[] = [];
  return {
    add(line) {
      kept.push(line.slice(0, tailLineLength));
      if (kept.length > tailLines) kept.shift();
    },
    lines: () => [...kept],
  };
}

interface Meaning {
  readonly pattern: RegExp;
  readonly message: (match: RegExpExecArray) => string;
  readonly hint: string;
}

// In order: the first that matches a line of the tail, read from its end, gives the message.
const meanings: readonly Meaning[] = [
  {
    pattern: /No matching distribution found for ([^\s(]+)/,
    message: ([, name]) => `pip found no package that fits the requirement ${name}.`,
    hint: 'Check the spelling and the version; the end of the build output lists the versions there are.',
  },
  {
    pattern: /npm (?:ERR!|error) (?:code )?(?:E404|404)\b/,
    message: () => 'npm found no package of a name or version that the requirements ask for.',
    hint: 'Check the spelling and the version of the requirements.',
  },
  {
    pattern: /npm (?:ERR!|error) code ETARGET/,
    message: () => 'npm found no version of a package that fits the requirements.',
    hint: 'Check the versions of the requirements.',
  },
  {
    pattern: /Invalid requirement: '?([^'\n]{1,100})/,
    message: ([, item]) => `pip cannot read the requirement ${item?.trim()}.`,
    hint: 'Write name and version, for example "aiogram>=3.0,<4".',
  },
  {
    pattern:
      /(?:NewConnectionError|ConnectTimeoutError|Temporary failure in name resolution|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTFOUND)/,
    message: () => 'The package index could not be reached from the build.',
    hint: 'The operator sets PIP_INDEX_URL, NPM_CONFIG_REGISTRY or HTTPS_PROXY on the worker if packages come from elsewhere.',
  },
  {
    pattern: /No space left on device/i,
    message: () => 'The disk of the worker is full.',
    hint: 'The operator has to free space on the worker.',
  },
  {
    pattern: /(?:Failed building wheel|(?:cc|g\+\+)' failed|Microsoft Visual C\+\+|unable to execute 'gcc')/,
    message: () => 'A package has to be compiled, and the base image has no compiler for it.',
    hint: 'Ask for a version of the package that has a ready wheel, or use a base image with a compiler.',
  },
];

/** BUILD_FAILED with the tail in `details.output_tail`; `fallback` is the message where the tail says nothing known. */
export function buildFailure(tail: readonly string[], fallback: string, hint?: string): Problem {
  const details = { output_tail: tail.join('\n') };
  for (const meaning of meanings) {
    for (const line of tail.toReversed()) {
      const match = meaning.pattern.exec(line);
      if (match) return problem('BUILD_FAILED', meaning.message(match), { details, hint: meaning.hint });
    }
  }
  return problem('BUILD_FAILED', fallback, { details, ...(hint === undefined ? {} : { hint }) });
}
