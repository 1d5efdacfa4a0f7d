/** From an accepted spec to the request to the runtime. Pure. */
import { createHash } from 'node:crypto';
import { type BotKey, containerName, imageName, sha256Pattern } from '#common/ids.ts';
import type { Language } from '#common/language.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { languageOfCommand } from '#common/start/command-line.ts';
import {
  BotLanguage,
  type BotSpec,
  type Credentials,
  type CustomSource,
  type ResourceLimits,
  type SimpleSource,
} from '#gen/botrunner/v1/bot_pb.js';
import type { GitRequest } from '../fetch/fetch-git.ts';
import type { ContainerPlan, DiskLimits, RegistryCredentials } from '../runtime/container-runtime.ts';

/** What the operator gives to every bot. */
export interface BotDefaults {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Undefined where disk space is not limited. */
  readonly disk?: DiskLimits | undefined;
  /** Variables for bots that do not set them themselves. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where the code comes from, checked as far as it can be without fetching it. */
export type RunnableSource =
  | {
      readonly mode: 'simple';
      readonly artifactSha256: string;
      /** Empty with a command. */
      readonly entrypoint: string;
      readonly command: readonly [string, ...string[]] | undefined;
      readonly language: Language;
      readonly requirements: readonly string[];
      /** Files of the artifact to install from. */
      readonly requirementFiles: readonly string[];
    }
  | {
      readonly mode: 'custom';
      readonly from: CustomOrigin;
      readonly buildArgs: Readonly<Record<string, string>>;
      /** Empty for the last stage. */
      readonly target: string;
      /** Empty for the Dockerfile at the root. */
      readonly dockerfile: string;
    }
  | {
      readonly mode: 'image';
      readonly image: string;
      readonly credentials: Secret<RegistryCredentials> | undefined;
      readonly pull: boolean;
    };

export type CustomOrigin =
  | { readonly kind: 'artifact'; readonly sha256: string }
  | { readonly kind: 'archive'; readonly url: string }
  | { readonly kind: 'git'; readonly request: GitRequest };

/** A spec this worker can run. */
export interface RunnableSpec {
  readonly source: RunnableSource;
  readonly env: Secret<Readonly<Record<string, string>>>;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly readOnly: boolean;
  /** The revision after which its image is named; that of the spec unless given. */
  readonly imageRevision?: bigint;
  readonly pids?: number;
  readonly stopSignal?: string;
  /** Whether its user has asked for any limit. */
  readonly asksForLimits?: boolean;
  readonly disk?: DiskLimits | undefined;
}

/** Refuses with INVALID_MODE or MISSING_SOURCE what this version cannot run, INVALID_ENTRYPOINT for an unknown language. */
export function readSpec(spec: BotSpec, defaults: BotDefaults): Result<RunnableSpec> {
  const source = readSource(spec.source);
  if (!source.ok) return source;
  return ok({
    source: source.value,
    env: new Secret({ ...defaults.env, ...spec.env }),
    memoryBytes: Number(spec.limits?.memoryBytes ?? 0n) || defaults.memoryBytes,
    cpuMillis: (spec.limits?.cpuMillis ?? 0) || defaults.cpuMillis,
    readOnly: spec.readOnly === true,
    ...(spec.sourceRevision > 0n && { imageRevision: spec.sourceRevision }),
    ...(spec.limits !== undefined && readLimits(spec.limits)),
    disk: defaults.disk && {
      ...defaults.disk,
      dataBytes: Number(spec.limits?.diskBytes ?? 0n) || defaults.disk.dataBytes,
    },
  });
}

function readLimits({ memoryBytes, cpuMillis, diskBytes, pids, stopSignal }: ResourceLimits) {
  return {
    ...(pids > 0 && { pids }),
    ...(stopSignal !== '' && { stopSignal }),
    ...((memoryBytes > 0n || cpuMillis > 0 || diskBytes > 0n || pids > 0) && { asksForLimits: true }),
  };
}

function readSource(source: BotSpec['source']): Result<RunnableSource> {
  switch (source.case) {
    case 'simple':
      return readSimple(source.value);
    case 'custom':
      return readCustom(source.value);
    case 'image': {
      const { image, credentials, pull } = source.value;
      return ok({ mode: 'image', image, pull, credentials: credentialsOf(credentials) });
    }
    default:
      return fail(problem('INVALID_MODE', 'This worker cannot run the deployment mode of the bot.'));
  }
}

const noArtifact = () => fail(problem('ARTIFACT_NOT_FOUND', 'The spec of the bot names no artifact.'));

function readSimple(source: SimpleSource): Result<RunnableSource> {
  const { artifactSha256, entrypoint, requirements, requirementFiles, language } = source;
  if (!sha256Pattern.test(artifactSha256)) return noArtifact();
  const [program, ...args] = source.command;
  const command = program === undefined ? undefined : ([program, ...args] as const);
  const known = languageOf(language, entrypoint) ?? (command && languageOfCommand(command));
  return known
    ? ok({ mode: 'simple', artifactSha256, entrypoint, command, language: known, requirements, requirementFiles })
    : fail(problem('INVALID_ENTRYPOINT', 'The language of the bot cannot be told from what it runs.'));
}

function readCustom(source: CustomSource): Result<RunnableSource> {
  const { buildArgs, target, dockerfile } = source;
  const from = readOrigin(source);
  return from.ok ? ok({ mode: 'custom', from: from.value, buildArgs: { ...buildArgs }, target, dockerfile }) : from;
}

function readOrigin({ from }: CustomSource): Result<CustomOrigin> {
  switch (from.case) {
    case 'artifactSha256':
      if (!sha256Pattern.test(from.value)) return noArtifact();
      return ok({ kind: 'artifact', sha256: from.value });
    case 'archiveUrl':
      return ok({ kind: 'archive', url: from.value });
    case 'git': {
      const { url, ref, subdir, credentials } = from.value;
      return ok({ kind: 'git', request: { url, ref, subdir, credentials: credentialsOf(credentials) } });
    }
    default:
      return fail(problem('MISSING_SOURCE', 'The spec of the bot names no source.'));
  }
}

const credentialsOf = (given: Credentials | undefined): Secret<RegistryCredentials> | undefined =>
  given && new Secret({ username: given.username, password: given.password });

function languageOf(language: BotLanguage, entrypoint: string): Language | undefined {
  if (language === BotLanguage.PYTHON) return 'python';
  if (language === BotLanguage.NODE) return 'node';
  if (entrypoint.endsWith('.py')) return 'python';
  return /\.(?:[cm]?js|m?ts)$/.test(entrypoint) ? 'node' : undefined;
}

/** Covers all that goes into an image: an image with another digest is not the wanted one, whatever its name says. */
export const imageDigest = ({ source }: RunnableSpec): string =>
  createHash('sha256')
    .update(JSON.stringify(digested(source)))
    .digest('hex');

// Only the name of a URL, a branch or a tag counts: what it refers to is resolved again with each new decision. The
// credentials to fetch it are not part of its identity.
function digested(source: RunnableSource): readonly unknown[] {
  switch (source.mode) {
    case 'simple':
      return [
        source.artifactSha256,
        source.language,
        source.requirements,
        // Empty where there are none, so that earlier images remain valid.
        ...(source.requirementFiles.length === 0 ? [] : [source.requirementFiles]),
      ];
    case 'image':
      return ['image', source.image];
    case 'custom':
      return [...digestedOrigin(source.from), ...digestedOptions(source)];
  }
}

function digestedOrigin(from: CustomOrigin): readonly unknown[] {
  if (from.kind === 'artifact') return ['artifact', from.sha256];
  if (from.kind === 'archive') return ['archive', from.url];
  return ['git', from.request.url, from.request.ref, from.request.subdir];
}

/** Empty where there are none, so that earlier images remain valid. */
function digestedOptions({ buildArgs, target, dockerfile }: RunnableSource & { readonly mode: 'custom' }) {
  const args = Object.entries(buildArgs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return args.length === 0 && target === '' && dockerfile === '' ? [] : [{ args, target, dockerfile }];
}

const runOf = ({ language, entrypoint, command }: RunnableSource & { readonly mode: 'simple' }) => ({
  language,
  entrypoint,
  ...(command === undefined ? {} : { command }),
});

/** The name of the image that a revision of the spec runs. */
export const imageNameOf = (key: BotKey, revision: bigint, { imageRevision = revision }: RunnableSpec): string =>
  imageName(key, imageRevision);

/** `pinned` is what a ready image was pinned to when it was pulled. */
export function planContainer(
  key: BotKey,
  workerId: string,
  decision: { readonly revision: bigint; readonly epoch: bigint },
  spec: RunnableSpec,
  pinned?: string | undefined,
): ContainerPlan {
  const { source } = spec;
  const run = source.mode === 'simple' ? ({ kind: 'simple', ...runOf(source) } as const) : ({ kind: 'image' } as const);
  return {
    key,
    workerId,
    revision: decision.revision,
    epoch: decision.epoch,
    name: containerName(key),
    image: source.mode === 'image' && pinned ? pinned : imageNameOf(key, decision.revision, spec),
    run,
    env: spec.env,
    memoryBytes: spec.memoryBytes,
    cpuMillis: spec.cpuMillis,
    ...(spec.readOnly && { readOnly: true }),
    ...(spec.pids !== undefined && { pids: spec.pids }),
    ...(spec.stopSignal !== undefined && { stopSignal: spec.stopSignal }),
    ...(spec.asksForLimits && { asksForLimits: true }),
    disk: spec.disk,
  };
}
