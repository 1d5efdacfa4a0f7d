/** A BotSpec as gRPC clients send it, checked with the same rules as JSON requests. */
import { sha256Pattern } from '#common/ids.ts';
import { checkLabels, wantedLabelsMax } from '#common/labels.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { ProblemCode } from '#common/problem-codes.ts';
import { checkEntrypoint } from '#common/safe-path.ts';
import {
  BotLanguage,
  type BotSpec,
  type Credentials,
  type CustomSource,
  type ImageSource,
  type ResourceLimits,
  type SimpleSource,
} from '#gen/botrunner/v1/bot_pb.js';
import type { UpdateBotRequest } from '#gen/botrunner/v1/bot_service_pb.js';
import {
  type Bounds,
  type CustomSourceRequest,
  type Deployment,
  type ImageRepositorySource,
  noChange,
  type Settings,
  type SimpleRunRequest,
  type SimpleSourceRequest,
  type SourceRequest,
  type SpecChange,
} from './bot-request.ts';
import { checkBuildOptions } from './build-options.ts';
import { checkArchiveUrl, checkGit } from './custom-source.ts';
import { parseEnv } from './env.ts';
import { checkImage } from './image-source.ts';
import { checkLimits, type RawLimits } from './limits.ts';
import { parseRequirements } from './requirements.ts';
import { parseRequirementFiles } from './simple-install.ts';
import { languageOf, parseCommand } from './simple-run.ts';
import { checkNames } from './spec-change.ts';

const simpleExample = 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC';
const customExample = 'avtomatika-bot start my-bot --git https://github.com/me/my-bot.git -e BOT_TOKEN=123:ABC';
const imageExample = 'avtomatika-bot start my-bot --image ghcr.io/me/my-bot:1.0 -e BOT_TOKEN=123:ABC';

const missing = (code: ProblemCode, message: string, field: string, hint: string, example: string) =>
  fail(problem(code, message, { details: { field }, hint, example }));

export function parseSpec(spec: BotSpec | undefined, bounds: Bounds): Result<Deployment> {
  const source = parseSource(spec, bounds);
  if (!source.ok) return source;
  const settings = parseSettings(spec ?? { env: {}, on: {} }, bounds);
  return settings.ok ? ok({ source: source.value, ...settings.value }) : settings;
}

/** What a spec or a ConfigureBotRequest says of all but the source. */
export function parseSettings(
  given: Pick<BotSpec, 'env' | 'on' | 'limits' | 'readOnly'>,
  bounds: Bounds,
): Result<Settings> {
  const env = parseEnv(Object.entries(given.env));
  if (!env.ok) return env;
  const limits = checkLimits(rawLimitsOf(given.limits), bounds);
  if (!limits.ok) return limits;
  const on = checkLabels(Object.entries(given.on), wantedLabelsMax);
  if (!on.ok) return on;
  const readOnly = given.readOnly === undefined ? {} : { readOnly: given.readOnly };
  return ok({ env: env.value, limits: limits.value, on: on.value, ...readOnly });
}

const rawLimitsOf = (limits: ResourceLimits | undefined): RawLimits =>
  limits === undefined
    ? {}
    : { ...limits, memoryBytes: Number(limits.memoryBytes), diskBytes: Number(limits.diskBytes) };

/** What a start, update or configure takes from what the bot has. */
export function readChange({ replaceEnv, reset }: Pick<UpdateBotRequest, 'replaceEnv' | 'reset'>): Result<SpecChange> {
  if (reset === undefined) return ok({ ...noChange, replaceEnv });
  const { memory, cpus, disk, pids, stopGrace, stopSignal, requirements, buildArgs, target, dockerfile, env, on } =
    reset;
  const limits = { memory, cpus, disk, pids, stopGrace, stopSignal };
  const taken = { ...limits, requirements, buildArgs, target, dockerfile };
  const names = checkNames(env, on);
  return names.ok ? ok({ replaceEnv, reset: { ...taken, env, on } }) : names;
}

function parseSource(spec: BotSpec | undefined, bounds: Bounds): Result<SourceRequest> {
  switch (spec?.source.case) {
    case 'simple':
      return parseSimple(spec.source.value);
    case 'custom':
      return inTerms(parseCustom(spec.source.value, bounds), customExample);
    case 'image':
      return inTerms(parseImage(spec.source.value, bounds), imageExample);
    default:
      return missing(
        'MISSING_REQUIRED_FIELD',
        'The spec has no source.',
        'spec.source',
        'Set spec.simple, spec.custom or spec.image.',
        simpleExample,
      );
  }
}

const runHint = 'Leave one of them empty.';
const uploadHint = 'Upload it with ArtifactService.UploadArtifact and use the sha256 of its answer.';

function parseSimple(simple: SimpleSource): Result<SimpleSourceRequest> {
  if (!sha256Pattern.test(simple.artifactSha256)) {
    const field = 'spec.simple.artifact_sha256';
    return missing('MISSING_CODE', 'The source names no artifact.', field, uploadHint, simpleExample);
  }
  const run = parseSimpleRun(simple);
  if (!run.ok) return run;
  const { language } = run.value;
  const requirements = parseRequirements(simple.requirements, language);
  if (!requirements.ok) return requirements;
  const requirementFiles = parseRequirementFiles(simple.requirementFiles, requirements.value, language);
  if (!requirementFiles.ok) return requirementFiles;
  return ok({
    kind: 'artifact',
    sha256: simple.artifactSha256,
    ...run.value,
    requirements: requirements.value,
    requirementFiles: requirementFiles.value,
  });
}

function parseSimpleRun({ entrypoint: asked, command, language }: SimpleSource): Result<SimpleRunRequest> {
  const wanted = language === BotLanguage.NODE ? 'node' : language === BotLanguage.PYTHON ? 'python' : undefined;
  if (command.length > 0) {
    if (asked === '') return parseCommand(command, wanted);
    const field = 'spec.simple.command';
    return missing('CONFLICTING_FIELDS', 'The source has an entrypoint and a command.', field, runHint, simpleExample);
  }
  const entrypoint = checkEntrypoint(asked);
  if (!entrypoint.ok) return entrypoint;
  return ok({ entrypoint: entrypoint.value, command: [], language: wanted ?? languageOf(entrypoint.value) });
}

function parseCustom(source: CustomSource, bounds: Bounds): Result<CustomSourceRequest> {
  const { buildArgs, target, dockerfile } = source;
  const build = checkBuildOptions({ buildArgs: Object.entries(buildArgs), target, dockerfile });
  if (!build.ok) return build;
  const origin = parseOrigin(source, bounds);
  return origin.ok && build.value !== undefined ? ok({ ...origin.value, build: build.value }) : origin;
}

function parseOrigin({ from }: CustomSource, bounds: Bounds): Result<CustomSourceRequest> {
  switch (from.case) {
    case 'artifactSha256':
      if (sha256Pattern.test(from.value)) return ok({ kind: 'custom_artifact', sha256: from.value });
      break;
    case 'archiveUrl':
      return checkArchiveUrl(from.value, bounds);
    case 'git': {
      const { url, ref, subdir, credentials } = from.value;
      return checkGit({ url, ref, subdir, login: loginOf(credentials) }, bounds);
    }
  }
  const field = from.case === undefined ? 'spec.custom.from' : 'spec.custom.artifact_sha256';
  return missing('MISSING_SOURCE', 'The source names no archive and no repository.', field, uploadHint, customExample);
}

const parseImage = ({ image, credentials, pull }: ImageSource, bounds: Bounds): Result<ImageRepositorySource> =>
  checkImage({ image, login: loginOf(credentials), pull }, bounds);

/** As in JSON requests. */
const loginOf = (credentials: Credentials | undefined) =>
  credentials && { username: credentials.username, password: credentials.password };

/** What a field of JSON requests is called in a BotSpec. */
const fieldNames: Readonly<Record<string, string>> = {
  archive_url: 'spec.custom.archive_url',
  git_repo: 'spec.custom.git.url',
  git_branch: 'spec.custom.git.ref',
  git_subdir: 'spec.custom.git.subdir',
  git_auth: 'spec.custom.git.credentials',
  build_args: 'spec.custom.build_args',
  target: 'spec.custom.target',
  dockerfile: 'spec.custom.dockerfile',
  docker_image: 'spec.image.image',
  registry_auth: 'spec.image.credentials',
};

/** The result, its problem put in gRPC terms: field names of the spec, and an example for the command line. */
function inTerms<T>(result: Result<T>, example: string): Result<T> {
  if (result.ok) return result;
  const { details } = result.problem;
  const field = fieldNames[String(details['field'])] ?? details['field'] ?? null;
  return fail({ ...result.problem, details: { ...details, field }, example });
}
