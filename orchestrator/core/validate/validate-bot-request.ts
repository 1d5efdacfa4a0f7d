/**
 * The validator of the bot_runner blueprint: any JSON in, a BotRequest or the first problem out. Pure.
 * Order of checks: action, bot_id, deployment_mode, source, env_vars, resource_limits, on, read_only, so that the first mistake a person
 * made is the first one named.
 */
import { isBotId } from '#common/ids.ts';
import { checkLabels, type Labels, wantedLabelsMax } from '#common/labels.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { type Action, actions } from '../actions.ts';
import {
  type BotRequest,
  type Bounds,
  type Deployment,
  type DeploymentMode,
  defaultBounds,
  deploymentModes,
  type Settings,
  type SourceRequest,
} from './bot-request.ts';
import { changesNothing, nothingNamed, sourceInConfigure } from './configure-request.ts';
import { parseCustomSource } from './custom-source.ts';
import { parseEnv } from './env.ts';
import { examples, withExample } from './examples.ts';
import { type Data, isAbsent, isEmpty, parseFlag, sourceFieldOf } from './fields.ts';
import { parseImageSource } from './image-source.ts';
import { parseLimits } from './limits.ts';
import { parseSimpleSource } from './simple-source.ts';
import { parseChange } from './spec-change.ts';
import { suggest } from './suggest.ts';

const missing = (field: string, message: string, hint: string) =>
  fail(problem('MISSING_REQUIRED_FIELD', message, { details: { field }, hint, example: examples.start }));

function parseAction(value: unknown): Result<Action> {
  if (isEmpty(value)) return missing('action', 'The field "action" is missing.', `Use one of: ${actions.join(', ')}.`);
  const known = actions.find((action) => action === value);
  if (known !== undefined) return ok(known);
  const meant =
    typeof value === 'string'
      ? suggest(value, actions, {
          run: 'start',
          kill: 'stop',
          ps: 'list',
          rm: 'delete',
          env: 'configure',
          set: 'configure',
        })
      : undefined;
  return fail(
    problem('INVALID_ACTION', 'Unknown action.', {
      details: { field: 'action', allowed: actions },
      hint: `${meant === undefined ? '' : `Did you mean "${meant}"? `}Use one of: ${actions.join(', ')}.`,
      example: examples.start,
    }),
  );
}

/** A bot id as any door gets it. */
export function parseBotId(value: unknown): Result<string> {
  if (isEmpty(value))
    return missing('bot_id', 'The field "bot_id" is missing.', 'Give the bot a name, for example "my-bot".');
  if (typeof value === 'string' && isBotId(value)) return ok(value);
  return fail(
    problem('INVALID_BOT_ID', 'The bot id is not valid.', { details: { field: 'bot_id' }, example: examples.start }),
  );
}

const modeAliases: Readonly<Record<string, DeploymentMode>> = {
  code: 'simple',
  script: 'simple',
  python: 'simple',
  dockerfile: 'custom',
  docker: 'custom',
  git: 'custom',
  archive: 'custom',
  img: 'image',
  registry: 'image',
};

function parseMode(value: unknown): Result<DeploymentMode> {
  if (isEmpty(value)) {
    return missing(
      'deployment_mode',
      'The field "deployment_mode" is missing.',
      'Use simple (code), custom (Dockerfile) or image (a ready image).',
    );
  }
  const known = deploymentModes.find((mode) => mode === value);
  if (known !== undefined) return ok(known);
  const meant = typeof value === 'string' ? suggest(value, deploymentModes, modeAliases) : undefined;
  return fail(
    problem('INVALID_DEPLOYMENT_MODE', 'Unknown deployment mode.', {
      details: { field: 'deployment_mode', allowed: deploymentModes },
      hint: `${meant === undefined ? '' : `Did you mean "${meant}"? `}Use simple (code), custom (Dockerfile) or image (a ready image).`,
      example: examples.start,
    }),
  );
}

function parseSource(mode: DeploymentMode, data: Data, bounds: Bounds): Result<SourceRequest> {
  switch (mode) {
    case 'simple':
      return parseSimpleSource(data);
    case 'custom':
      return parseCustomSource(data, bounds);
    case 'image':
      return parseImageSource(data, bounds);
  }
}

function parseDeployment(data: Data, bounds: Bounds): Result<Deployment> {
  const mode = parseMode(data['deployment_mode']);
  if (!mode.ok) return mode;
  const source = parseSource(mode.value, data, bounds);
  if (!source.ok) return source;
  const settings = parseSettings(data, bounds);
  return settings.ok ? ok({ source: source.value, ...settings.value }) : settings;
}

/** All but the source. */
function parseSettings(data: Data, bounds: Bounds): Result<Settings> {
  const given = data['env_vars'];
  if (given !== undefined && given !== null && (typeof given !== 'object' || Array.isArray(given))) {
    return fail(
      problem('INVALID_ENV_VARS', '"env_vars" is not an object.', {
        details: { field: 'env_vars' },
        hint: 'Write "env_vars": {"BOT_TOKEN": "123:ABC"}.',
        example: examples.start,
      }),
    );
  }
  const env = parseEnv(Object.entries(given ?? {}));
  if (!env.ok) return env;
  const limits = parseLimits(data['resource_limits'], bounds);
  if (!limits.ok) return limits;
  const on = parseOn(data['on']);
  if (!on.ok) return withExample(on, examples.labels);
  const readOnly = parseReadOnly(data);
  if (!readOnly.ok) return readOnly;
  return ok({ env: env.value, limits: limits.value, on: on.value, ...readOnly.value });
}

const parseTakeover = (data: Data): Result<boolean> =>
  parseFlag(data, 'takeover', 'Write "takeover": true to stop the bot that has the Telegram token.', examples.takeover);

/** A change of what a bot has, without its source. */
function parseConfigure(botId: string, data: Data, bounds: Bounds): Result<BotRequest> {
  const foreign = sourceFieldOf(data);
  if (foreign !== undefined) return fail(sourceInConfigure(foreign));
  const parsed = withExample(parseChange('configure', data), examples.configure);
  if (!parsed.ok) return parsed;
  const { change, rest } = parsed.value;
  const settings = withExample(parseSettings(rest, bounds), examples.configure);
  if (!settings.ok) return settings;
  const takeover = parseTakeover(data);
  if (!takeover.ok) return takeover;
  if (changesNothing(settings.value, change)) return fail(nothingNamed());
  return ok({ action: 'configure', botId, settings: settings.value, takeover: takeover.value, change });
}

/** Absent or null: as the bot has it. */
function parseReadOnly(data: Data): Result<Pick<Deployment, 'readOnly'>> {
  if (isAbsent(data['read_only'])) return ok({});
  const hint = 'Write "read_only": true for a bot that writes only to /data and /tmp.';
  const readOnly = parseFlag(data, 'read_only', hint, examples.readOnly);
  return readOnly.ok ? ok({ readOnly: readOnly.value }) : readOnly;
}

function parseOn(value: unknown): Result<Labels> {
  if (value === undefined || value === null) return ok({});
  if (typeof value === 'object' && !Array.isArray(value)) return checkLabels(Object.entries(value), wantedLabelsMax);
  return fail(
    problem('INVALID_LABELS', '"on" is not an object.', {
      details: { field: 'on' },
      hint: 'Write "on": {"zone": "eu"}.',
    }),
  );
}

const maxLines = 10_000;

/** How many lines of a log: 100 unless given. */
export function parseLines(value: unknown): Result<number> {
  if (value === undefined || value === null) return ok(100);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= maxLines) return ok(value);
  return fail(
    problem('INVALID_LINES', `"lines" is not a whole number from 1 to ${maxLines}.`, {
      details: { field: 'lines', min: 1, max: maxLines },
      ...(typeof value === 'string' && /^\d{1,5}$/.test(value) ? { hint: 'Write the number without quotes.' } : {}),
      example: examples.logs,
    }),
  );
}

/** Checks the data of a bot_runner job. Keys it does not know, such as user_id, are ignored: the token says who asks. */
export function validateBotRequest(data: unknown, bounds: Bounds = defaultBounds): Result<BotRequest> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    return fail(
      problem('MALFORMED_REQUEST', 'The data of the job is not an object.', {
        details: { field: 'data' },
        example: examples.start,
      }),
    );
  }
  // A JSON object: its own enumerable keys are what was sent, "__proto__" included.
  const fields = data as Data;
  const own = (key: string): unknown => (Object.hasOwn(fields, key) ? fields[key] : undefined);
  const action = parseAction(own('action'));
  if (!action.ok) return action;
  if (action.value === 'list') return ok({ action: 'list' });
  const botId = parseBotId(own('bot_id'));
  if (!botId.ok) return botId;
  switch (action.value) {
    case 'start':
    case 'update': {
      const safe: Data = Object.assign(Object.create(null), fields);
      const parsed = parseChange(action.value, safe);
      if (!parsed.ok) return parsed;
      const { change, rest } = parsed.value;
      const deployment = parseDeployment(rest, bounds);
      if (!deployment.ok) return deployment;
      const takeover = parseTakeover(safe);
      if (!takeover.ok) return takeover;
      const moveHint = 'Write "move_token": true to move the Telegram token out of the source into the environment.';
      const moveToken = parseFlag(safe, 'move_token', moveHint, examples.moveToken);
      if (!moveToken.ok) return moveToken;
      return ok({
        action: action.value,
        botId: botId.value,
        deployment: deployment.value,
        takeover: takeover.value,
        moveToken: moveToken.value,
        change,
      });
    }
    case 'configure':
      return parseConfigure(botId.value, Object.assign(Object.create(null), fields), bounds);
    case 'logs': {
      const lines = parseLines(own('lines'));
      return lines.ok ? ok({ action: 'logs', botId: botId.value, lines: lines.value }) : lines;
    }
    case 'stop':
    case 'status':
    case 'restart':
    case 'config':
      return ok({ action: action.value, botId: botId.value });
    case 'delete': {
      const purgeHint = 'Write "purge": true to delete what the bot keeps in /data, too.';
      const purge = parseFlag({ purge: own('purge') }, 'purge', purgeHint, examples.purge);
      return purge.ok ? ok({ action: 'delete', botId: botId.value, purge: purge.value }) : purge;
    }
  }
}
