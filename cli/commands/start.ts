/** avtomatika-bot start BOT --simple ... */
import { Code, ConnectError } from '@connectrpc/connect';
import { sleep } from '#common/clock.ts';
import { isBotId } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import { backoffMs } from '../backoff.ts';
import { type Client, callTimeoutMs } from '../client.ts';
import { Command, Option } from '../clipanion.ts';
import { parseEnvVars } from '../env-vars.ts';
import { complain, detailOf, unwrapWords } from '../errors.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { jobResultJson, renderStarted } from '../render/job.ts';
import { sizeText } from '../render/size.ts';
import { collectSource, type Source } from '../source/collect.ts';
import { chooseEntrypoint } from '../source/entrypoint.ts';
import { chooseRequirements } from '../source/requirements-choice.ts';
import { uploadSource } from '../source/upload.ts';
import { acceptedJob, JobCommand } from './job-command.ts';

/** Everything of a start but the uploaded archive. */
interface Plan {
  readonly source: Source;
  readonly entrypoint: string;
  readonly requirements: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const startTriesMax = 4;

export class StartCommand extends JobCommand {
  static override paths = [['start']];
  static override usage = Command.Usage({
    description: 'Start a bot, or update it if it runs.',
    details:
      'Give its files with --simple: one file, several, or a folder with all its sub-folders. From folders hidden files, ' +
      'node_modules, __pycache__ and links are left out. A requirements.txt among the files is used unless -r is given.',
    examples: [
      ['One file', 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0,<4" -e BOT_TOKEN=123:ABC'],
      ['Several files; the first one is run', 'avtomatika-bot start my-bot --simple bot.py texts.py locales/'],
      ['A folder', 'avtomatika-bot start my-bot --simple my_bot/ --entrypoint app.py -r requirements.txt'],
      ['Without waiting for its end', 'avtomatika-bot start my-bot --simple bot.py --no-wait'],
    ],
  });

  bot = Option.String();
  simple = Option.Array('--simple', [], {
    description: 'The files, or the folder, of the bot. Takes all that follows.',
  });
  entrypoint = Option.String('--entrypoint', {
    description: 'The file to run. Default: the first file, or bot.*, main.* or index.* of a folder.',
  });
  requirements = Option.Array('-r,--requirements', {
    description: 'Packages to install: a requirements file, or a comma list. Repeatable.',
  });
  env = Option.Array('-e,--env', [], { description: 'An environment variable of the bot. Repeatable.' });
  noWait = Option.Boolean('--no-wait', false, { description: 'Do not wait until the bot runs.' });

  async execute(): Promise<ExitCode> {
    const plan = await this.plan();
    const job = await this.withClient(async (client) => {
      const accepted = await this.start(client, plan);
      return this.noWait ? accepted : this.finish(client, accepted);
    });
    if (this.noWait) {
      await this.answer(
        jobResultJson(job),
        `Job ${job.jobId} is accepted. Look at it with: avtomatika-bot status ${this.bot}`,
      );
      return exitCodes.done;
    }
    const outcome = renderStarted(job, this.outStyle());
    await this.answer(jobResultJson(job), outcome.text);
    return outcome.exitCode;
  }

  /** All that can be checked without the orchestrator. */
  private async plan(): Promise<Plan> {
    if (!isBotId(this.bot)) {
      refuse('INVALID_BOT_ID', 'The bot id breaks the rules.', {
        hint: 'Use 1 to 64 Latin letters, digits, "_" or "-": avtomatika-bot start my-bot --simple bot.py',
      });
    }
    if (this.simple.length === 0) {
      throw complain(
        exitCodes.usage,
        'USAGE',
        'start needs the files of the bot.',
        `Write: avtomatika-bot start ${this.bot} --simple FILE...`,
      );
    }
    const env = unwrapWords(parseEnvVars(this.env));
    const { cwd, signal } = this.context;
    const source = await collectSource(this.simple, cwd, signal);
    const entrypoint = chooseEntrypoint(source, this.entrypoint);
    const requirements = await chooseRequirements(this.requirements, source, entrypoint, cwd);
    if (source.leftOut.length > 0) {
      this.progress().note(`Left out, because they are links or no plain files: ${source.leftOut.join(', ')}`);
    }
    if (requirements.from !== undefined) {
      this.progress().note(`Packages from ${requirements.from}: ${requirements.list.join(', ') || 'none'}`);
    }
    return { source, entrypoint, requirements: requirements.list, env };
  }

  private async start(client: Client, plan: Plan): Promise<Job> {
    const { source, entrypoint, requirements, env } = plan;
    const artifactSha256 = await uploadSource(client, source, this.context.signal);
    const count = `${source.files.length} ${source.files.length === 1 ? 'file' : 'files'}`;
    const sizeBytes = source.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    this.progress().note(`Uploaded ${count} (${sizeText(sizeBytes)})`);
    if (this.verbose) for (const { path } of source.files) this.progress().note(`  ${path}`);
    const simple = { artifactSha256, entrypoint, requirements: [...requirements] };
    const spec = { source: { case: 'simple' as const, value: simple }, env };
    return this.startOnce(client, { botId: this.bot, spec });
  }

  /** Sends the start with one key, so that a repeat after a broken connection cannot start it twice. */
  private async startOnce(client: Client, request: Parameters<Client['bots']['startBot']>[0]): Promise<Job> {
    const { signal, clock, random } = this.context;
    const headers = { 'Idempotency-Key': this.context.newIdempotencyKey() };
    for (let failures = 0; ; failures++) {
      try {
        const answer = await client.bots.startBot(request, { headers, signal, timeoutMs: callTimeoutMs });
        return acceptedJob(answer.job);
      } catch (error) {
        if (failures + 1 >= startTriesMax || !isLostConnection(error)) throw error;
      }
      await sleep(clock, backoffMs(failures, random()), signal);
    }
  }
}

/** The call may or may not have arrived. A refusal with our detail has been answered and is not repeated. */
const isLostConnection = (error: unknown): boolean =>
  error instanceof ConnectError &&
  detailOf(error) === undefined &&
  (error.code === Code.Unavailable || error.code === Code.Aborted);
