/** The one way in: from a request of any door to an accepted job. */
import type { JsonObject } from '#common/problem.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import type { JobRecord } from '../core/records.ts';
import type { BotRequest, Bounds } from '../core/validate/bot-request.ts';
import { validateBotRequest } from '../core/validate/validate-bot-request.ts';
import type { Engine } from '../engine/engine.ts';
import type { NewJob } from '../engine/new-job.ts';
import { prepareDeployment } from './deployment.ts';

export interface AcceptDeps {
  readonly engine: Engine;
  readonly bounds: Bounds;
}

/** A job by blueprint name and data, as POST /jobs and CreateJob have it. */
export async function acceptJob(
  deps: AcceptDeps,
  userId: string,
  blueprint: unknown,
  data: unknown,
  idempotency: NewJob['idempotency'],
): Promise<JobRecord> {
  if (blueprint === undefined || blueprint === null || blueprint === '') {
    throw new ProblemError(
      problem('MISSING_REQUIRED_FIELD', 'The field "blueprint" is missing.', {
        details: { field: 'blueprint' },
        hint: 'Use "bot_runner".',
        example: { blueprint: 'bot_runner', data: { action: 'list' } },
      }),
    );
  }
  if (blueprint !== 'bot_runner') {
    refuse('INVALID_BLUEPRINT', 'The blueprint is not known.', {
      details: { field: 'blueprint' },
      example: { blueprint: 'bot_runner', data: { action: 'list' } },
    });
  }
  return acceptBotRequest(deps, userId, unwrap(validateBotRequest(data, deps.bounds)), idempotency);
}

/** A checked bot_runner request. */
export async function acceptBotRequest(
  { engine }: AcceptDeps,
  userId: string,
  request: BotRequest,
  idempotency: NewJob['idempotency'],
): Promise<JobRecord> {
  const base = {
    userId,
    blueprint: 'bot_runner',
    action: request.action,
    botId: request.action === 'list' ? '' : request.botId,
    ...(idempotency === undefined ? {} : { idempotency }),
  };
  switch (request.action) {
    case 'start':
    case 'update': {
      const { artifact, ...spec } = await prepareDeployment(request.deployment);
      const params: JsonObject = request.action === 'update' && request.keepEnv ? { keep_env: true } : {};
      return engine.createJob({
        ...base,
        spec,
        params,
        takeover: request.takeover,
        ...(artifact === undefined ? {} : { artifact }),
      });
    }
    case 'delete':
      return engine.createJob({ ...base, params: { purge: request.purge } });
    case 'logs': {
      const params: JsonObject = { lines: request.lines };
      return engine.createJob({ ...base, params });
    }
    default:
      return engine.createJob(base);
  }
}
