/** A BotSpec as gRPC clients send it, checked with the same rules as JSON requests. */

import { sha256Pattern } from '#common/ids.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { checkEntrypoint } from '#common/safe-path.ts';
import { BotLanguage, type BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { Bounds, Deployment } from '../core/validate/bot-request.ts';
import { parseEnv } from '../core/validate/env.ts';
import { checkLimits } from '../core/validate/limits.ts';
import { parseRequirements } from '../core/validate/requirements.ts';
import { languageOf } from '../core/validate/simple-source.ts';

const example = 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC';

export function parseSpec(spec: BotSpec | undefined, bounds: Bounds): Result<Deployment> {
  if (spec?.source.case !== 'simple') {
    return fail(
      problem('MISSING_REQUIRED_FIELD', 'The spec has no source.', {
        details: { field: 'spec.simple' },
        hint: 'Set spec.simple.',
        example,
      }),
    );
  }
  const simple = spec.source.value;
  if (!sha256Pattern.test(simple.artifactSha256)) {
    return fail(
      problem('MISSING_CODE', 'The source names no artifact.', {
        details: { field: 'spec.simple.artifact_sha256' },
        hint: 'Upload the files with ArtifactService.UploadArtifact and use the sha256 of its answer.',
        example,
      }),
    );
  }
  const entrypoint = checkEntrypoint(simple.entrypoint);
  if (!entrypoint.ok) return entrypoint;
  const language =
    simple.language === BotLanguage.NODE
      ? 'node'
      : simple.language === BotLanguage.PYTHON
        ? 'python'
        : languageOf(entrypoint.value);
  const requirements = parseRequirements(simple.requirements, language);
  if (!requirements.ok) return requirements;
  const env = parseEnv(Object.entries(spec.env));
  if (!env.ok) return env;
  const limits = checkLimits(Number(spec.limits?.memoryBytes ?? 0), spec.limits?.cpuMillis ?? 0, bounds);
  if (!limits.ok) return limits;
  return ok({
    source: {
      kind: 'artifact',
      sha256: simple.artifactSha256,
      entrypoint: entrypoint.value,
      requirements: requirements.value,
      language,
    },
    env: env.value,
    limits: limits.value,
  });
}
