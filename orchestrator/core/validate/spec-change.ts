/**
 * What an update or configure takes away, as JSON requests say it: "replace_env", and null for a single variable, label or limit, as in
 * RFC 7396. Pure.
 */
import { checkLabels, wantedLabelsMax } from '#common/labels.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { DeployAction } from '../actions.ts';
import type { SpecChange } from './bot-request.ts';
import { parseEnv } from './env.ts';
import { examples } from './examples.ts';
import type { Data } from './fields.ts';
import { limitFields } from './limits.ts';

/**
 * The change, and the data without what only says it. A null in a start is a value that its sender does not have, and stays a
 * mistake.
 */
export function parseChange(
  action: DeployAction,
  data: Data,
): Result<{ readonly change: SpecChange; readonly rest: Data }> {
  const replaceEnv = data['replace_env'] ?? false;
  if (typeof replaceEnv !== 'boolean') {
    return fail(
      problem('INVALID_ENV_VARS', '"replace_env" is neither true nor false.', {
        details: { field: 'replace_env' },
        hint: 'Write "replace_env": true to keep only the variables in "env_vars".',
        example: examples.start,
      }),
    );
  }
  const mayTake = action !== 'start';
  const env = splitNulls(data['env_vars'], mayTake);
  const on = splitNulls(data['on'], mayTake);
  const limits = splitNulls(data['resource_limits'], mayTake, limitFields);
  const buildArgs = splitNulls(data['build_args'], mayTake);
  const names = checkNames(env.nulls, on.nulls);
  if (!names.ok) return names;
  const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;
  return ok({
    change: {
      replaceEnv,
      reset: {
        memory: limits.nulls.includes('memory_mb'),
        cpus: limits.nulls.includes('cpu_cores'),
        disk: limits.nulls.includes('disk_mb'),
        pids: limits.nulls.includes('pids'),
        stopGrace: limits.nulls.includes('stop_grace_seconds'),
        stopSignal: limits.nulls.includes('stop_signal'),
        requirements: isEmptyList(data['requirements']) || isEmptyList(data['requirement_files']),
        buildArgs: buildArgs.nulls,
        target: isTakenAway(data, 'target', action),
        dockerfile: isTakenAway(data, 'dockerfile', action),
        env: env.nulls,
        on: on.nulls,
      },
    },
    rest: Object.assign(Object.create(null), data, {
      env_vars: env.rest,
      build_args: buildArgs.rest,
      on: on.rest,
      resource_limits: limits.rest,
    }),
  });
}

const isTakenAway = (data: Data, name: string, action: DeployAction): boolean =>
  action !== 'start' && Object.hasOwn(data, name) && data[name] === null;

/** Names of variables and keys of labels that should go. */
export function checkNames(env: readonly string[], on: readonly string[]): Result<undefined> {
  const checkedEnv = parseEnv(env.map((name) => [name, '']));
  if (!checkedEnv.ok) return checkedEnv;
  const checkedOn = checkLabels(
    on.map((key) => [key, '']),
    wantedLabelsMax,
  );
  return checkedOn.ok ? ok(undefined) : fail({ ...checkedOn.problem, example: examples.labels });
}

/** The names whose value is null, of those that may be; anything but an object is left for its own check. */
function splitNulls(
  value: unknown,
  mayBe: boolean,
  only?: readonly string[],
): { readonly rest: unknown; readonly nulls: readonly string[] } {
  if (!mayBe || typeof value !== 'object' || value === null || Array.isArray(value)) return { rest: value, nulls: [] };
  const entries = Object.entries(value);
  const isNull = ([name, entry]: readonly [string, unknown]) => entry === null && (only?.includes(name) ?? true);
  return {
    rest: Object.fromEntries(entries.filter((entry) => !isNull(entry))),
    nulls: entries.filter(isNull).map(([name]) => name),
  };
}
