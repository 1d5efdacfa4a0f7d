/**
 * What an update or configure makes of the spec that a bot has: the source is the one given, or stays where none is; of everything else,
 * what is not named stays. Pure.
 */
import { registryOf } from '#common/image-reference.ts';
import { checkLabels, wantedLabelsMax } from '#common/labels.ts';
import { ok, type Result } from '#common/problem.ts';
import type {
  BotSpec,
  CustomSource,
  GitSource,
  ImageSource,
  ResourceLimits,
  SimpleSource,
} from '#gen/botrunner/v1/bot_pb.js';
import type { SpecChange } from './validate/bot-request.ts';
import { parseEnv } from './validate/env.ts';

/** INVALID_ENV_VARS or INVALID_LABELS when what stays and what is new are too much together. */
export function mergeSpec(before: BotSpec, given: BotSpec, change: SpecChange): Result<BotSpec> {
  const env = parseEnv(
    Object.entries({ ...(change.replaceEnv ? {} : without(before.env, change.reset.env)), ...given.env }),
  );
  if (!env.ok) return env;
  const on = checkLabels(Object.entries({ ...without(before.on, change.reset.on), ...given.on }), wantedLabelsMax);
  if (!on.ok) return on;
  return ok({
    ...given,
    source: mergeSource(before.source, given.source, change),
    env: Object.fromEntries(env.value),
    on: { ...on.value },
    ...mergeReadOnly(before, given),
    limits: mergeLimits(before.limits, given.limits, change.reset),
  });
}

function mergeLimits(
  before: ResourceLimits | undefined,
  given: ResourceLimits | undefined,
  { memory, cpus, disk, pids, stopGrace, stopSignal }: SpecChange['reset'],
): ResourceLimits {
  return {
    $typeName: 'botrunner.v1.ResourceLimits',
    memoryBytes: given?.memoryBytes || (memory ? 0n : (before?.memoryBytes ?? 0n)),
    cpuMillis: given?.cpuMillis || (cpus ? 0 : (before?.cpuMillis ?? 0)),
    diskBytes: given?.diskBytes || (disk ? 0n : (before?.diskBytes ?? 0n)),
    pids: given?.pids || (pids ? 0 : (before?.pids ?? 0)),
    stopGraceMs: given?.stopGraceMs || (stopGrace ? 0 : (before?.stopGraceMs ?? 0)),
    stopSignal: given?.stopSignal || (stopSignal ? '' : (before?.stopSignal ?? '')),
  };
}

function mergeReadOnly(before: BotSpec, given: BotSpec): Pick<BotSpec, 'readOnly'> {
  const readOnly = given.readOnly ?? before.readOnly;
  return readOnly === undefined ? {} : { readOnly };
}

const without = (all: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)));

type Source = BotSpec['source'];

function mergeSource(before: Source, given: Source, { reset }: SpecChange): Source {
  if (given.case === undefined) return before;
  if (before.case === 'simple' && given.case === 'simple') {
    return reset.requirements ? given : { case: 'simple', value: mergeSimple(before.value, given.value) };
  }
  if (before.case === 'custom' && given.case === 'custom') {
    return { case: 'custom', value: mergeCustom(before.value, given.value, reset) };
  }
  if (before.case === 'image' && given.case === 'image') {
    return { case: 'image', value: mergeImage(before.value, given.value) };
  }
  return given;
}

/** Packages of another language are of no use. */
const mergeSimple = (before: SimpleSource, given: SimpleSource): SimpleSource =>
  given.requirements.length > 0 || given.requirementFiles.length > 0 || before.language !== given.language
    ? given
    : { ...given, requirements: [...before.requirements], requirementFiles: [...before.requirementFiles] };

function mergeCustom(before: CustomSource, given: CustomSource, reset: SpecChange['reset']): CustomSource {
  const merged = {
    ...given,
    buildArgs: { ...without(before.buildArgs, reset.buildArgs), ...given.buildArgs },
    target: given.target || (reset.target ? '' : before.target),
    dockerfile: given.dockerfile || (reset.dockerfile ? '' : before.dockerfile),
  };
  if (before.from.case !== 'git' || given.from.case !== 'git') return merged;
  return { ...merged, from: { case: 'git', value: mergeGit(before.from.value, given.from.value) } };
}

/** Branch, folder and credentials belong to one repository, and go to no other. */
function mergeGit(before: GitSource, given: GitSource): GitSource {
  if (before.url !== given.url) return given;
  const credentials = given.credentials ?? before.credentials;
  return {
    ...given,
    ref: given.ref || before.ref,
    subdir: given.subdir || before.subdir,
    ...(credentials === undefined ? {} : { credentials }),
  };
}

/** Credentials only ever go to the registry that they were given for. */
function mergeImage(before: ImageSource, given: ImageSource): ImageSource {
  if (given.credentials !== undefined || before.credentials === undefined) return given;
  return registryOf(before.image) === registryOf(given.image) ? { ...given, credentials: before.credentials } : given;
}
