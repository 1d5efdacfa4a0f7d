/** What start and update share: the options that name a source and how it runs, and the way from them to a bot. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type CallOptions, Code, ConnectError } from '@connectrpc/connect';
import { isBotId } from '#common/ids.ts';
import { type Labels, parseLabels, wantedLabelsMax } from '#common/labels.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { commandText } from '#common/start/command-line.ts';
import type { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { BotService, type CheckDeployRequestSchema, type SpecResetSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { Option } from '../argv/clipanion.ts';
import { type Client, callTimeoutMs } from '../calls/client.ts';
import { submit } from '../calls/submit.ts';
import { complain } from '../failures/errors.ts';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { type GivenBuild, parseBuildWords } from '../options/build-options.ts';
import { type Environment, isEnvGiven, readEnvironment } from '../options/environment.ts';
import { type Limits, limitsReset, parseLimitOptions } from '../options/limits.ts';
import { splitRemovals } from '../options/spec-words.ts';
import { readLine, readPassword } from '../options/stdin.ts';
import { escapeControls } from '../render/escape.ts';
import { renderStarted } from '../render/job.ts';
import { chooseSource } from '../source/choose.ts';
import { prepareSource } from '../source/prepare.ts';
import type { ReadySource, SpecSource } from '../source/source.ts';
import { uploadSource } from '../source/upload.ts';
import { namesText } from '../text/files-text.ts';
import { LimitsCommand } from './limits-command.ts';

/** What start and update send; `keepEnv` only says something to update. */
export interface DeployRequest {
  readonly botId: string;
  readonly spec: MessageInitShape<typeof BotSpecSchema>;
  /** An orchestrator of 0.1.0 drops the environment without it. */
  readonly keepEnv: boolean;
  readonly takeover: boolean;
  readonly moveToken: boolean;
  readonly replaceEnv: boolean;
  readonly reset?: MessageInitShape<typeof SpecResetSchema>;
}

interface Plan {
  readonly source: ReadySource;
  readonly env: Environment;
  readonly limits: Limits | undefined;
  readonly build: GivenBuild;
  readonly on: Labels;
  readonly labelsRemoved: readonly string[];
}

type CheckDeployRequestInit = NonNullable<MessageInitShape<typeof CheckDeployRequestSchema>['request']>;

/** How many of the files left out are asked about. */
const leftOutMax = 1_000;

/** Stands for the source that is not there yet. */
const unknownSha256 = '0'.repeat(64);

/** An orchestrator of 0.1.0 would leave these undone without a word. */
function refuseNewForms(source: SpecSource): void {
  if (source.case === 'custom') {
    const { buildArgs = {}, target = '', dockerfile = '' } = source.value;
    if (Object.keys(buildArgs).length === 0 && target === '' && dockerfile === '') return;
    const message = 'The orchestrator is too old for --build-arg, --target and --dockerfile.';
    throw complain(exitCodes.failed, 'UNAVAILABLE', message, 'Leave them out, or have it updated.');
  }
  if (source.case !== 'simple') return;
  const { requirementFiles = [], command = [] } = source.value;
  if (requirementFiles.length === 0 && command.length === 0) return;
  const message =
    command.length > 0
      ? `The orchestrator is too old to run a command: ${commandText(command)}`
      : `The orchestrator is too old to install from ${requirementFiles.join(', ')}.`;
  throw complain(exitCodes.failed, 'UNAVAILABLE', message, 'Use --entrypoint FILE and -r LIST, or have it updated.');
}

const tooOldForReadOnly = () =>
  complain(
    exitCodes.failed,
    'UNAVAILABLE',
    'The orchestrator is too old to make the file system of a bot read-only.',
    'Leave --read-only out, or have it updated.',
  );

/** The part of the spec that names the source, with how its Dockerfile is built. */
function sourceOf({ source, build }: Plan, sha256: string): SpecSource {
  const named = source.spec(sha256);
  if (named.case !== 'custom') return named;
  const { buildArgs, target, dockerfile } = build;
  return { case: 'custom', value: { ...named.value, buildArgs: { ...buildArgs }, target, dockerfile } };
}

export abstract class DeployCommand extends LimitsCommand {
  /** As in readCommandSpec. */
  static readonly negatable = { '--read-only': 'Make it writable again.' };
  bot = Option.String();
  simple = Option.Array('--simple', [], {
    description: 'The files of the bot, or its folder. Takes all the words that follow.',
  });
  inline = Option.Boolean('--inline', false, { description: 'Announces --code; optional.' });
  code = Option.String('--code', { description: 'The code itself, for a one-file bot.' });
  entrypoint = Option.String('--entrypoint', {
    description: 'The file, or the Python package, to run. Default: the first file, or what the folder says.',
  });
  command = Option.String('--command', {
    description: 'A command to run in the folder of the bot instead of a file.',
  });
  requirements = Option.Array('-r,--requirements', {
    description: 'Packages to install: a requirements file or a comma-separated list. Repeatable.',
  });
  runtime = Option.String('--runtime', { description: 'python or node. Default: by the extension of the entrypoint.' });
  include = Option.Array('--include', [], {
    description: 'A file or folder to send that --simple would leave out. Repeatable.',
  });
  custom = Option.String('--custom', {
    description: 'A folder with a Dockerfile, a .tar, .tar.gz or .tgz file, or a URL of an archive or git repository.',
  });
  git = Option.String('--git', { description: 'The https URL of a git repository with a Dockerfile.' });
  branch = Option.String('--branch', {
    description: 'The branch, tag or whole commit id. Default: the default branch.',
  });
  subdir = Option.String('--subdir', {
    description: 'The folder of the Dockerfile in the repository. Default: its root.',
  });
  buildArg = Option.Array('--build-arg', [], {
    description: 'A value for an ARG of the Dockerfile, not secret; NAME- removes it. Repeatable.',
  });
  target = Option.String('--target', {
    description: 'The last stage of the Dockerfile to build. Default: the last one; "" goes back to it.',
  });
  dockerfile = Option.String('--dockerfile', {
    description: 'The path of the Dockerfile in the source. Default: Dockerfile.',
  });
  image = Option.String('--image', { description: 'A ready image.' });
  registryUser = Option.String('--registry-user', { description: 'User name for a private registry.' });
  registryPass = Option.String('--registry-pass', {
    description: 'Its password. Other users of this machine can see options in ps.',
  });
  registryPassStdin = Option.Boolean('--registry-pass-stdin', false, {
    description: 'Read the password from the standard input.',
  });
  pull = Option.Boolean('--pull', false, { description: 'Ask the registry even if the worker has the image.' });
  env = Option.Array('-e,--env', [], {
    description: 'An environment variable of the bot; NAME- removes it. Repeatable.',
  });
  envFile = Option.Array('--env-file', [], { description: 'A file of NAME=VALUE lines; -e overrides it. Repeatable.' });
  replaceEnv = Option.Boolean('--replace-env', false, {
    description: 'Replace all variables of the bot with the ones given.',
  });
  on = Option.Array('--on', [], {
    description: 'A label the worker must have, such as zone=eu; zone- drops it. Repeatable.',
  });
  readOnly = Option.Boolean('--read-only', {
    description: 'Make the file system of the bot read-only, but for /data, its volumes and /tmp.',
  });
  takeover = Option.Boolean('--takeover', false, {
    description: 'Take the Telegram token over from the bot that has it; that bot is stopped once this one is built.',
  });
  moveToken = Option.Boolean('--move-token', false, {
    description:
      'Move the Telegram token that is in the code into the environment: the code that is sent reads the variable instead.',
  });
  yes = Option.Boolean('-y,--yes', false, {
    description: 'Do not ask before leaving out files the bot was sent before.',
  });
  noWait = Option.Boolean('--no-wait', false, { description: 'Do not wait for the bot to start.' });

  /** The request in the form in which it is checked before anything is uploaded. */
  protected abstract checked(request: DeployRequest): CheckDeployRequestInit;
  protected abstract send(
    client: Client,
    request: DeployRequest,
    options: CallOptions,
  ): Promise<{ readonly job?: Job | undefined }>;

  async execute(): Promise<ExitCode> {
    const plan = await this.plan();
    for (const note of plan.source.notes) this.progress().note(note);
    return this.withClient(async (client) => {
      const isChecked = plan.source.upload !== undefined || this.readOnly === true;
      if (isChecked && !(await this.check(client, plan))) {
        this.context.stderr.write('Nothing was changed.\n');
        return exitCodes.failed;
      }
      const request = this.request(plan, await this.upload(client, plan));
      const job = await submit(this.context, (options) => this.send(client, request, options));
      return this.noWait ? this.tellAccepted(job) : this.tellEnd(await this.finish(client, job), renderStarted);
    });
  }

  /** All that can be checked without the orchestrator. */
  private async plan(): Promise<Plan> {
    if (!isBotId(this.bot)) {
      refuse('INVALID_BOT_ID', 'The bot id is not valid.', {
        hint: 'Use 1 to 64 Latin letters, digits, "_" or "-": avtomatika-bot start my-bot --simple bot.py',
      });
    }
    this.timeoutMs();
    const choice = chooseSource(this);
    const limits = parseLimitOptions(this);
    const build = unwrap(parseBuildWords(this));
    const labels = splitRemovals(this.on);
    const on = unwrap(parseLabels(labels.given, wantedLabelsMax));
    const { cwd, signal } = this.context;
    const env = await readEnvironment(this, cwd, signal);
    const source = await prepareSource(choice, { cwd, signal, readStdin: () => readPassword(this.context) });
    return { source, env, limits, build, on, labelsRemoved: labels.removed.filter((key) => !Object.hasOwn(on, key)) };
  }

  /**
   * Refuses what is refused whatever is uploaded: quota, limits, labels, tokens. An orchestrator of 0.1.0 cannot say. False when
   * the bot would lose files that it has, and its user does not want that.
   */
  private async check(client: Client, plan: Plan): Promise<boolean> {
    const options = { signal: this.context.signal, timeoutMs: callTimeoutMs };
    const leftOut = (plan.source.leftOut ?? []).slice(0, leftOutMax);
    const request = this.checked(this.request(plan, unknownSha256));
    try {
      const { sentBefore } = await client
        .for(BotService)
        .checkDeploy({ request, leftOut: leftOut.map(({ path }) => path) }, options);
      const lost = leftOut.filter(({ path }) => sentBefore.includes(path)).map(({ shown }) => shown);
      return lost.length === 0 || this.yes || (await this.isLossConfirmed(lost));
    } catch (error) {
      if (!(error instanceof ConnectError && error.code === Code.Unimplemented)) throw error;
      if (this.readOnly === true) throw tooOldForReadOnly();
      refuseNewForms(sourceOf(plan, unknownSha256));
      return true;
    }
  }

  private async isLossConfirmed(lost: readonly string[]): Promise<boolean> {
    const { stderr, terminal } = this.context;
    const what = `${this.bot} got ${namesText(lost.map(escapeControls))} with its last upload; this one leaves ${lost.length === 1 ? 'it' : 'them'} out.`;
    if (this.json || !terminal.stdin || !terminal.stderr) {
      const hint = `Add --include ${lost[0]} to send it again, or --yes to go ahead without it.`;
      throw complain(exitCodes.usage, 'USAGE', what, hint);
    }
    stderr.write(`${what} Deploy without them? [y/N] `);
    return /^y(es)?$/i.test((await readLine(this.context)).trim());
  }

  /** The sha256 of what was uploaded; empty for a source that the worker fetches. */
  private async upload(client: Client, { source: { upload } }: Plan): Promise<string> {
    if (upload === undefined) return '';
    this.progress().note(`Uploading ${upload.what}`);
    if (this.verbose) for (const path of upload.paths) this.progress().note(`  ${path}`);
    const sha256 = await uploadSource(client, upload, this.context.signal);
    const skipped = upload.skipped?.() ?? [];
    if (skipped.length > 0) this.progress().note(`Left out because they can no longer be read: ${namesText(skipped)}`);
    return sha256;
  }

  private request(plan: Plan, sha256: string): DeployRequest {
    const { env, limits, on } = plan;
    return {
      botId: this.bot,
      spec: {
        source: sourceOf(plan, sha256),
        env: { ...env.values },
        on: { ...on },
        ...(limits === undefined ? {} : { limits }),
        ...(this.readOnly === undefined ? {} : { readOnly: this.readOnly }),
      },
      keepEnv: !isEnvGiven(this) && !this.replaceEnv,
      takeover: this.takeover,
      moveToken: this.moveToken,
      replaceEnv: this.replaceEnv,
      ...this.reset(plan),
    };
  }

  private reset({ source, env, build, labelsRemoved }: Plan): Pick<DeployRequest, 'reset'> {
    const limits = limitsReset(this);
    const requirements = source.hasNoRequirements === true;
    const { buildArgs, target, dockerfile } = build.reset;
    const isNothing =
      !(Object.values(limits).includes(true) || requirements || target || dockerfile) &&
      [env.removed, labelsRemoved, buildArgs].every(({ length }) => length === 0);
    if (isNothing) return {};
    const lists = { env: [...env.removed], on: [...labelsRemoved], buildArgs: [...buildArgs] };
    return { reset: { ...limits, requirements, target, dockerfile, ...lists } };
  }
}
