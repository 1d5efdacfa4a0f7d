/** BotService: see proto/botrunner/v1/bot_service.proto. */
import { toJson } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { refuse, unwrap } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import {
  type BotService,
  type ConfigureBotRequest,
  ConfigureBotRequestSchema,
  SpecResetSchema,
  type StartBotRequest,
  type StreamLogsRequest,
  StreamLogsResponseSchema,
  type UpdateBotRequest,
} from '#gen/botrunner/v1/bot_service_pb.js';
import type { BotRequest, Bounds } from '../../core/validate/bot-request.ts';
import { readConfigure } from '../../core/validate/configure-request.ts';
import { parseLogRequest } from '../../core/validate/log-request.ts';
import { parseSpec, readChange } from '../../core/validate/spec-request.ts';
import { parseBotId } from '../../core/validate/validate-bot-request.ts';
import type { BotEventsDeps } from '../../events/bot-events.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import type { BotLogReader } from '../../logs/bot-log-reader.ts';
import { sentBefore } from '../../requests/sent-before.ts';
import { checkDeployment, type SubmitDeps, submitBotRequest } from '../../requests/submit.ts';
import { configToProto } from '../../views/config.ts';
import { botToProto, jobToProto } from '../../views/proto.ts';
import { usageToProto } from '../../views/usage.ts';
import { readIdempotency } from '../idempotency.ts';
import { type CallDeps, call } from './call.ts';
import { encodeFrame, frameOf } from './frames.ts';
import { type OwnStream, ownStream } from './own-stream.ts';
import { createWatchBots } from './watch-bots.ts';

export interface BotServiceDeps extends CallDeps, SubmitDeps, BotEventsDeps {
  readonly fleet: Fleet;
  readonly botLogs: BotLogReader;
  readonly sealKey: Secret<Uint8Array>;
}

async function streamLogs(
  deps: BotServiceDeps,
  userId: string,
  request: StreamLogsRequest,
  { binary, signal, write }: OwnStream,
): Promise<void> {
  const bot = await deps.engine.getBot(userId, unwrap(parseBotId(request.botId)));
  const query = unwrap(parseLogRequest(request));
  for await (const { batch, cursor } of deps.botLogs.read(bot, query, signal)) {
    const frame = binary
      ? frameOf(...batch.answer(cursor))
      : encodeFrame(StreamLogsResponseSchema, batch.message(cursor), false);
    const next = write(frame);
    if (next !== true && !(await next)) return;
  }
}

/** Nothing where nothing is said, so that a request of an older client stays the same request. */
const changeBody = ({
  replaceEnv,
  reset,
  moveToken,
}: Pick<UpdateBotRequest, 'replaceEnv' | 'reset' | 'moveToken'>) => ({
  ...(moveToken ? { moveToken } : {}),
  ...(replaceEnv ? { replaceEnv } : {}),
  ...(reset === undefined ? {} : { reset: toJson(SpecResetSchema, reset) }),
});

type DeployRequest = Extract<BotRequest, { action: 'start' | 'update' }>;

function configureRequest(message: ConfigureBotRequest, bounds: Bounds): BotRequest {
  return unwrap(readConfigure(unwrap(parseBotId(message.botId)), message, bounds));
}

const startRequest = (message: StartBotRequest, bounds: Bounds): DeployRequest => ({
  action: 'start',
  botId: unwrap(parseBotId(message.botId)),
  deployment: unwrap(parseSpec(message.spec, bounds)),
  takeover: message.takeover,
  moveToken: message.moveToken,
  change: unwrap(readChange(message)),
});

function updateRequest(message: UpdateBotRequest, bounds: Bounds): DeployRequest {
  const { spec, keepEnv } = message;
  const changesEnv = message.replaceEnv || (message.reset?.env.length ?? 0) > 0;
  if (keepEnv && (changesEnv || Object.keys(spec?.env ?? {}).length > 0)) {
    refuse('CONFLICTING_FIELDS', 'keep_env cannot be combined with spec.env, replace_env and reset.env.', {
      details: { fields: ['keep_env', changesEnv ? 'replace_env' : 'spec.env'] },
      hint: 'Leave out keep_env: variables that spec.env does not name are kept anyway.',
      example: 'avtomatika-bot update my-bot --simple bot.py',
    });
  }
  return {
    action: 'update',
    botId: unwrap(parseBotId(message.botId)),
    deployment: unwrap(parseSpec(spec, bounds)),
    takeover: message.takeover,
    moveToken: message.moveToken,
    change: unwrap(readChange(message)),
  };
}

/** What makes two requests with one Idempotency-Key the same. */
const startBody = (message: StartBotRequest) => ({
  action: 'start',
  botId: message.botId,
  takeover: message.takeover,
  spec: message.spec && toJson(BotSpecSchema, message.spec),
  ...changeBody(message),
});

const updateBody = (message: UpdateBotRequest) => ({
  action: 'update',
  botId: message.botId,
  keepEnv: message.keepEnv,
  takeover: message.takeover,
  spec: message.spec && toJson(BotSpecSchema, message.spec),
  ...changeBody(message),
});

const configureBody = (message: ConfigureBotRequest) => ({
  action: 'configure',
  ...(toJson(ConfigureBotRequestSchema, message) as Record<string, unknown>), // a message is an object
});

export function createBotService(deps: BotServiceDeps): ServiceImpl<typeof BotService> {
  const watchBots = createWatchBots(deps);
  const accept = async (userId: string, { requestHeader }: HandlerContext, request: BotRequest, body: unknown) => {
    const idempotency = readIdempotency(requestHeader.get('idempotency-key'), body);
    return { job: jobToProto(await submitBotRequest(deps, userId, request, idempotency)) };
  };
  return {
    startBot: call(deps, 'client', (message, { userId }, context) =>
      accept(userId, context, startRequest(message, deps.bounds), startBody(message)),
    ),
    updateBot: call(deps, 'client', (message, { userId }, context) =>
      accept(userId, context, updateRequest(message, deps.bounds), updateBody(message)),
    ),
    configureBot: call(deps, 'client', (message, { userId }, context) =>
      accept(userId, context, configureRequest(message, deps.bounds), configureBody(message)),
    ),
    getBotConfig: call(deps, 'client', async ({ botId }, { userId }) => ({
      config: configToProto(await deps.engine.getSpec({ userId, botId: unwrap(parseBotId(botId)) })),
    })),
    checkDeploy: call(deps, 'client', async ({ request: { case: kind, value }, leftOut }, { userId }) => {
      if (kind === undefined) {
        refuse('MISSING_REQUIRED_FIELD', 'There is no request to check.', {
          details: { field: 'request' },
          hint: 'Set "start" or "update".',
        });
      }
      const request = kind === 'start' ? startRequest(value, deps.bounds) : updateRequest(value, deps.bounds);
      await checkDeployment(deps, userId, request);
      return { sentBefore: [...(await sentBefore(deps, { userId, botId: request.botId }, leftOut))] };
    }),
    restartBot: call(deps, 'client', ({ botId }, { userId }, context) => {
      const request: BotRequest = { action: 'restart', botId: unwrap(parseBotId(botId)) };
      return accept(userId, context, request, { action: 'restart', botId });
    }),
    deleteBot: call(deps, 'client', ({ botId, purge }, { userId }, context) => {
      const request: BotRequest = { action: 'delete', botId: unwrap(parseBotId(botId)), purge };
      return accept(userId, context, request, { action: 'delete', botId, purge });
    }),
    stopBot: call(deps, 'client', ({ botId }, { userId }, context) => {
      const body = { action: 'stop', botId } as const;
      const request: BotRequest = { action: 'stop', botId: unwrap(parseBotId(botId)) };
      return accept(userId, context, request, body);
    }),
    getBot: call(deps, 'client', async ({ botId }, { userId }) => ({
      bot: botToProto(deps.fleet.view(await deps.engine.getBot(userId, unwrap(parseBotId(botId))))),
    })),
    listBots: call(deps, 'client', async (_request, { userId }) => {
      const list = await deps.engine.listBots(userId);
      return { ...list, bots: list.bots.map(botToProto) };
    }),
    getUsage: call(deps, 'client', async (_request, { userId }) => ({
      usage: usageToProto(await deps.engine.usage(userId)),
    })),
    watchBots: ownStream(deps, 'client', (request, { userId }, stream) => watchBots(userId, request, stream)),
    streamLogs: ownStream(deps, 'client', (request, { userId }, stream) => streamLogs(deps, userId, request, stream)),
  };
}
