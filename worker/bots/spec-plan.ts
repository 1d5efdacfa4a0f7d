/** From an accepted spec to what the runtime is asked for. Pure. */
import { createHash } from 'node:crypto';
import { type BotKey, containerName, imageName, sha256Pattern } from '#common/ids.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { BotLanguage, type BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { ContainerPlan, Language } from '../runtime/container-runtime.ts';

/** What the operator gives to every bot. */
export interface BotDefaults {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Variables for bots that do not set them themselves. */
  readonly env: Readonly<Record<string, string>>;
}

/** A spec this worker can run. */
export interface RunnableSpec {
  readonly artifactSha256: string;
  readonly entrypoint: string;
  readonly language: Language;
  readonly requirements: readonly string[];
  readonly env: Secret<Readonly<Record<string, string>>>;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** Refuses with INVALID_MODE what this version cannot run, INVALID_ENTRYPOINT when the language cannot be told. */
export function readSpec(spec: BotSpec, defaults: BotDefaults): Result<RunnableSpec> {
  if (spec.source.case !== 'simple') {
    return fail(problem('INVALID_MODE', 'This worker cannot run the deployment mode of the bot.'));
  }
  const { artifactSha256, entrypoint, requirements, language } = spec.source.value;
  if (!sha256Pattern.test(artifactSha256)) {
    return fail(problem('ARTIFACT_NOT_FOUND', 'The spec of the bot names no artifact.'));
  }
  const known = languageOf(language, entrypoint);
  if (!known) {
    return fail(problem('INVALID_ENTRYPOINT', 'The language of the bot cannot be told from its entrypoint.'));
  }
  return ok({
    artifactSha256,
    entrypoint,
    language: known,
    requirements,
    env: new Secret({ ...defaults.env, ...spec.env }),
    memoryBytes: Number(spec.limits?.memoryBytes ?? 0n) || defaults.memoryBytes,
    cpuMillis: (spec.limits?.cpuMillis ?? 0) || defaults.cpuMillis,
  });
}

function languageOf(language: BotLanguage, entrypoint: string): Language | undefined {
  if (language === BotLanguage.PYTHON) return 'python';
  if (language === BotLanguage.NODE) return 'node';
  if (entrypoint.endsWith('.py')) return 'python';
  return /\.[cm]?js$/.test(entrypoint) ? 'node' : undefined;
}

/** Of all that goes into an image: an image of another digest is not the one that is wanted, whatever its name says. */
export const imageDigest = (spec: RunnableSpec): string =>
  createHash('sha256')
    .update(JSON.stringify([spec.artifactSha256, spec.language, spec.requirements]))
    .digest('hex');

export function planContainer(
  key: BotKey,
  workerId: string,
  decision: { readonly revision: bigint; readonly epoch: bigint },
  spec: RunnableSpec,
): ContainerPlan {
  return {
    key,
    workerId,
    revision: decision.revision,
    epoch: decision.epoch,
    name: containerName(key),
    image: imageName(key, decision.revision),
    run: { kind: 'simple', language: spec.language, entrypoint: spec.entrypoint },
    env: spec.env,
    memoryBytes: spec.memoryBytes,
    cpuMillis: spec.cpuMillis,
  };
}
