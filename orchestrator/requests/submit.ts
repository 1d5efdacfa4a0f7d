/** The one way in: from a request of any door to an accepted job. */
import type { Json } from '#common/json.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import { deployParams } from '../core/job-params.ts';
import type { JobRecord } from '../core/records.ts';
import type { BotRequest, Bounds } from '../core/validate/bot-request.ts';
import { validateBotRequest } from '../core/validate/validate-bot-request.ts';
import type { NewJob } from '../engine/accept.ts';
import type { Engine } from '../engine/engine.ts';
import { prepareDeployment, settingsSpec } from './deployment.ts';
import { type MoveDeps, type Moved, moveToken } from './move-token/apply.ts';

export interface SubmitDeps extends MoveDeps {
  readonly engine: Engine;
  readonly bounds: Bounds;
}

/** A request as in POST /jobs, CreateJob and SubmitJobs. */
export interface JobRequest {
  readonly blueprint: unknown;
  readonly data: unknown;
  readonly idempotency: NewJob['idempotency'];
  /** See NewJob. */
  readonly absentFails?: boolean;
}

/** A job by blueprint name and data. Throws ProblemError. */
export async function submitJob(deps: SubmitDeps, userId: string, request: JobRequest): Promise<JobRecord> {
  return deps.engine.createJob(await prepareJob(deps, userId, request));
}

/** What the engine is given for a request; a promise only where there is a source to pack. Throws or rejects with ProblemError. */
export function prepareJob(
  deps: Omit<SubmitDeps, 'engine'>,
  userId: string,
  { blueprint, data, idempotency, absentFails = false }: JobRequest,
): NewJob | Promise<NewJob> {
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
    return { ...job, ...(idempotency === undefined ? {} : { idempotency }) };
  }
  if (blueprint !== 'bot_runner') {
    refuse('INVALID_BLUEPRINT', 'Unknown blueprint.', { details: { field: 'blueprint' } });
  }
  return prepareBotRequest(deps, userId, unwrap(validateBotRequest(data, deps.bounds)), idempotency, absentFails);
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
  deps: SubmitDeps,
  userId: string,
  request: BotRequest,
  idempotency: NewJob['idempotency'],
): Promise<JobRecord> {
  return deps.engine.createJob(await prepareBotRequest(deps, userId, request, idempotency));
}

function prepareBotRequest(
  deps: Omit<SubmitDeps, 'engine'>,
  userId: string,
  request: BotRequest,
  idempotency: NewJob['idempotency'],
  absentFails = false,
): NewJob | Promise<NewJob> {
  const base = {
    userId,
    blueprint: 'bot_runner',
    botId: request.action === 'list' ? '' : request.botId,
    ...(idempotency === undefined ? {} : { idempotency }),
  };
  switch (request.action) {
    case 'start':
    case 'update': {
      const prepare = async ({ deployment, changes }: Moved) => {
        const { artifact, ...spec } = await prepareDeployment(deps.sealKey, deployment);
        const input = { action: request.action, params: { ...deployParams(request), moved: changes } };
        return { ...base, spec, input, ...(artifact === undefined ? {} : { artifact }) };
      };
      return request.moveToken
        ? moveToken(deps, userId, request).then(prepare)
        : prepare({ deployment: request.deployment, changes: [] });
    }
    case 'configure': {
      const spec = { spec: settingsSpec(request.settings), mode: '', artifactSha256: '' };
      return { ...base, spec, input: { action: 'configure', params: deployParams(request) } };
    }
    case 'delete':
      return { ...base, input: { action: 'delete', params: { purge: request.purge } } };
    case 'logs':
      return { ...base, input: { action: 'logs', params: { lines: request.lines } } };
    case 'stop':
      return {
        ...base,
        input: { action: 'stop', params: { notice: '' } },
        ...(absentFails ? { absentFails } : {}),
      };
    case 'restart':
    case 'list':
    case 'status':
    case 'config':
      return { ...base, input: { action: request.action, params: {} } };
  }
}

/** Throws what submitBotRequest would throw whatever the artifact holds. */
export async function checkDeployment(
  { engine, sealKey }: SubmitDeps,
  userId: string,
  { action, botId, deployment, change, takeover }: Extract<BotRequest, { action: 'start' | 'update' }>,
): Promise<void> {
  const spec = await prepareDeployment(sealKey, deployment);
  const input = { action, params: deployParams({ change, takeover }) };
  await engine.checkRequest({ userId, blueprint: 'bot_runner', botId, spec, input });
}
