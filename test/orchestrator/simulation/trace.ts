/** What happens, line by line, as scenarios show it: ids are numbers, and of a bot only what has changed is said. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { BotObservation, Ensure, SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord, EventBody, ShownBot, ShownJob } from '../../../orchestrator/core/records.ts';
import type { FromWorker } from './model-worker.ts';

export class Trace {
  #lines: string[] = [];
  readonly #numbers = new Map<string, string>();
  readonly #bots = new Map<string, readonly string[]>();
  readonly #jobIds: string[] = [];

  /** Takes the lines so far. */
  take(): readonly string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  line(text: string): void {
    this.#lines.push(text);
  }

  /** The id of the n-th job, from 1. */
  jobId(n: number): string | undefined {
    return this.#jobIds[n - 1];
  }

  get jobs(): readonly string[] {
    return this.#jobIds;
  }

  #number(kind: 'job' | 'task', id: string): string {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    if (kind === 'job') this.#jobIds.push(id);
    const number =
      kind === 'job' ? `job ${this.#jobIds.length}` : `task ${this.#numbers.size - this.#jobIds.length + 1}`;
    this.#numbers.set(id, number);
    return number;
  }

  event(body: EventBody): void {
    if (body.kind === 'job') this.#job(body.job);
    else if (body.kind === 'bot') this.#bot(body.bot, body.deleted === true, body.notice?.code);
  }

  #job(job: ShownJob): void {
    const isNew = !this.#numbers.has(job.jobId);
    const name = this.#number('job', job.jobId);
    if (isNew) this.line(`${name}: ${job.action || job.blueprint} ${job.userId}/${job.botId}`);
    const because = job.reason === '' ? '' : ` (${job.reason})`;
    const result = job.result === null ? '' : ` ${String(job.result['status'] ?? '')}`.trimEnd();
    const error = job.error === null ? '' : ` ${job.error.code}: ${job.error.message}`;
    this.line(`${name} ${job.state} ${job.status}${because}${result}${error}`);
  }

  #bot(bot: ShownBot, deleted: boolean, notice: string | undefined): void {
    const key = botKeyText(bot);
    if (deleted) {
      this.#bots.delete(key);
      this.line(`bot ${key} is gone`);
      return;
    }
    const before = this.#bots.get(key) ?? [];
    const now = shownFields(bot);
    this.#bots.set(key, now);
    const changes = now.filter((field, at) => field !== before[at] && field !== '');
    const told = notice === undefined ? '' : ` ${notice}`;
    this.line(`bot ${key} ${changes.length === 0 ? 'as before' : changes.join(' ')}${told}`);
  }

  heard(workerId: string, body: SessionResponse['body']): void {
    switch (body.case) {
      case 'ensure':
        this.line(`${workerId} hears ${this.#command(body.value)}`);
        break;
      case 'welcome':
        this.line(`${workerId} is welcome: ${this.#set(body.value.desiredSet?.bots ?? [])}`);
        break;
      case 'desiredSet':
        this.line(`${workerId} hears of all: ${this.#set(body.value.bots)}`);
        break;
      case 'desiredChanges':
        if (body.value.bots.length > 0)
          this.line(`${workerId} hears of changes: ${this.#set(body.value.bots.toSorted(byName))}`);
        for (const key of body.value.gone) this.line(`${workerId} hears that ${botKeyText(key)} is not its own`);
        break;
      case 'cancelTask':
        this.line(`${workerId} hears cancel ${this.#number('task', body.value.taskId)}`);
        break;
      default:
    }
  }

  #set(bots: readonly Ensure[]): string {
    return bots.length === 0 ? 'nothing' : bots.map((bot) => this.#command(bot)).join('; ');
  }

  #command(ensure: Ensure): string {
    const { generation, revision, epoch, taskId, restart, claimTokens, purge } = ensure;
    const words = [
      `${ensure.userId}/${ensure.botId}`,
      DesiredState[ensure.desired]?.toLowerCase(),
      `g${generation} r${revision} e${epoch}`,
      ...(taskId === '' ? [] : [`for ${this.#number('task', taskId)}`]),
      ...(restart ? ['afresh'] : []),
      ...(claimTokens ? ['taking over'] : []),
      ...(purge ? ['with its data'] : []),
    ];
    return words.join(' ');
  }

  said(workerId: string, message: FromWorker): void {
    switch (message.kind) {
      case 'accepted':
        break;
      case 'wanted':
        this.line(`${workerId} asks for all`);
        break;
      case 'observations':
        for (const bot of message.bots) this.line(`${workerId} says ${observation(bot)}`);
        break;
      case 'result': {
        const { taskId, outcome, observation: seen } = message.result;
        const end = outcome.case === 'failed' ? `failed ${outcome.value.code}` : 'done';
        this.line(`${workerId} says ${this.#number('task', taskId)} ${end}${seen ? `; ${observation(seen)}` : ''}`);
      }
    }
  }

  bot(key: string, bot: BotRecord | undefined): void {
    this.line(bot === undefined ? `bot ${key}: none` : `bot ${key}: ${rowFields(bot).filter(Boolean).join(' ')}`);
  }
}

const observation = (bot: BotObservation): string => {
  const container = bot.containerId === '' ? '' : ` in ${bot.containerId} r${bot.revision}`;
  return `${bot.userId}/${bot.botId} is ${BotState[bot.state]?.toLowerCase()}${container} g${bot.generation} e${bot.epoch}`;
};

const shownFields = (bot: ShownBot): readonly string[] => [
  `wants ${bot.desired}`,
  `g${bot.generation}`,
  `r${bot.revision}`,
  `e${bot.epoch}`,
  bot.workerId === null ? 'nowhere' : `on ${bot.workerId}`,
  bot.leaving ? 'leaving' : '',
  `is ${bot.state}`,
  bot.notice === '' ? '' : `(${bot.notice})`,
];

const rowFields = (bot: BotRecord): readonly string[] => [
  ...shownFields(bot),
  bot.undo === null ? '' : `undo to ${bot.undo.desired} r${bot.undo.revision}`,
  bot.pendingTask === null ? '' : 'with a task that outlives its job',
];

/** Which of several changes of one commit was first, nobody is promised. */
const byName = (a: BotKey, b: BotKey): number => (botKeyText(a) < botKeyText(b) ? -1 : 1);
