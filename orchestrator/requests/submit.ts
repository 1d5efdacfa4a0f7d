/** The one way in: from a request of any door to an accepted job. */
import type { Json } from '#common/problem.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import { deployParams } from '../core/job-params.ts';
import type { JobRecord } from '../core/records.ts';
import type { BotRequest, Bounds } from '../core/validate/bot-request.ts';
import { validateBotRequest } from '../core/validate/validate-bot-request.ts';
import type { NewJob } from '../engine/accept.ts';
import type { Engine } from '../engine/engine.ts';
import { prepareDeployment } from './deployment.ts';

export interface SubmitDeps {
  readonly engine: Engine;
  readonly bounds: Bounds;
}

/** A job by blueprint name and data, as POST /jobs and CreateJob have it. `absentFails`: see NewJob. */
export async function submitJob(
  deps: SubmitDeps,
  userId: string,
  blueprint: unknown,
  data: unknown,
  idempotency: NewJob['idempotency'],
  absentFails = false,
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
  if (blueprint === 'test_workflow') {
    const input = { action: '', params: { input: inputOf(data) } } as const;
    const job = { userId, blueprint, botId: '', input };
    return deps.engine.createJob({ ...job, ...(idempotency === undefined ? {} : { idempotency }) });
  }
  if (blueprint !== 'bot_runner') {
    refuse('INVALID_BLUEPRINT', 'Unknown blueprint.', { details: { field: 'blueprint' } });
  }
  return submitBotRequest(deps, userId, unwrap(validateBotRequest(data, deps.bounds)), idempotency, absentFails);
}

/** The data of a test_workflow job: {input}, any JSON of moderate size. */
function inputOf(data: unknown): Json {
  const input = typeof data === 'object' && data !== null && 'input' in data ? data.input : undefined;
  if (input === undefined || JSON.stringify(input).length > maxInputLength) {
    refuse('MISSING_REQUIRED_FIELD', `The field "input" is missing or longer than ${maxInputLength} characters.`, {
      details: { field: 'data.input' },
      hint: 'Give the input to work on.',
      example: { blueprint: 'test_workflow', data: { input: 'hello' } },
    });
  }
  return input as Json; // part of a parsed JSON body
}

const maxInputLength = 64 * 1024;

/** A checked bot_runner request. */
export async function submitBotRequest(
  { engine }: SubmitDeps,
  userId: string,
  request: BotRequest,
  idempotency: NewJob['idempotency'],
  absentFails = false,
): Promise<JobRecord> {
  const base = {
    userId,
    blueprint: 'bot_runner',
    botId: request.action === 'list' ? '' : request.botId,
    ...(idempotency === undefined ? {} : { idempotency }),
  };
  switch (request.action) {
    case 'start':
    case 'update': {
      const { artifact, ...spec } = await prepareDeployment(request.deployment);
      return engine.createJob({
        ...base,
        spec,
        input: { action: request.action, params: deployParams(request) },
        ...(artifact === undefined ? {} : { artifact }),
      });
    }
    case 'delete':
      return engine.createJob({ ...base, input: { action: 'delete', params: { purge: request.purge } } });
    case 'logs':
      return engine.createJob({ ...base, input: { action: 'logs', params: { lines: request.lines } } });
    case 'stop':
      return engine.createJob({
        ...base,
        input: { action: 'stop', params: { notice: '' } },
        ...(absentFails ? { absentFails } : {}),
      });
    case 'restart':
    case 'list':
    case 'status':
      return engine.createJob({ ...base, input: { action: request.action, params: {} } });
  }
}

/** Throws what submitBotRequest would throw whatever the artifact holds. */
export async function checkDeployment(
  { engine }: SubmitDeps,
  userId: string,
  { action, botId, deployment, change, takeover }: Extract<BotRequest, { action: 'start' | 'update' }>,
): Promise<void> {
  const spec = await prepareDeployment(deployment);
  const input = { action, params: deployParams({ change, takeover }) };
  engine.checkRequest({ userId, blueprint: 'bot_runner', botId, spec, input });
}
