/** --build-arg, --target and --dockerfile: how a Dockerfile is built. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { splitRemovals } from './spec-words.ts';

export interface BuildWords {
  readonly buildArg: readonly string[];
  readonly target: string | undefined;
  readonly dockerfile: string | undefined;
}

export interface GivenBuild {
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly target: string;
  readonly dockerfile: string;
  readonly reset: { readonly buildArgs: readonly string[]; readonly target: boolean; readonly dockerfile: boolean };
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** INVALID_BUILD_OPTIONS for what is no NAME=VALUE; the orchestrator checks the rest. */
export function parseBuildWords({ buildArg, target, dockerfile }: BuildWords): Result<GivenBuild> {
  const { given, removed } = splitRemovals(buildArg);
  const pairs: [string, string][] = [];
  for (const [index, word] of given.entries()) {
    const split = word.indexOf('=');
    const name = word.slice(0, split);
    if (split < 0 || !namePattern.test(name)) return refused(index, split < 0 ? 'has no "="' : 'has an invalid name');
    pairs.push([name, word.slice(split + 1)]);
  }
  const buildArgs: Record<string, string> = Object.fromEntries(pairs);
  return ok({
    buildArgs,
    target: target?.trim() ?? '',
    // "./docker/Dockerfile" is what a shell completes.
    dockerfile: (dockerfile?.trim() ?? '').replace(/^(?:\.\/+)+/, ''),
    reset: {
      buildArgs: removed.filter((name) => !Object.hasOwn(buildArgs, name)),
      target: target?.trim() === '',
      dockerfile: dockerfile?.trim() === '',
    },
  });
}

function refused(index: number, fault: string) {
  const which = `--build-arg number ${index + 1} ${fault}.`;
  const hint = 'Write --build-arg NAME=VALUE, for example --build-arg PYTHON_VERSION=3.12.';
  return fail(problem('INVALID_BUILD_OPTIONS', which, { hint }));
}
