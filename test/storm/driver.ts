/** Sends a plan's requests as its users would: each with a key of its own, again and again until there is an answer. */
import { setTimeout as pause } from 'node:timers/promises';
import { ask, nowMs } from './client.ts';
import { diaryBot } from './diary-bot.ts';
import { stormImage } from './parts.ts';
import type { PlannedBot, PlannedRequest, StormPlan } from './plan.ts';
import { botKey, type RequestRecord } from './record.ts';

export interface DriverOptions {
  /** The address of the proxy that the users go through. */
  readonly url: string;
  readonly witness: string;
  readonly tokens: ReadonlyMap<string, string>;
  readonly bots: readonly PlannedBot[];
  /** Whether ready images can be run at all. */
  readonly hasEngine: boolean;
  readonly keyPrefix: string;
}

const againMs = 400;
const pollMs = 400;
/** Requests of one bot that wait for the one before; further ones are not sent. */
const waitingMax = 6;

export class Driver {
  readonly records: RequestRecord[] = [];
  /** Left out, since the bot's earlier ones have no answer yet. */
  leftOut = 0;
  readonly #options: DriverOptions;
  readonly #chains = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, number>();
  readonly #open = new Set<Promise<unknown>>();
  #isOver = false;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** Sends everything at its time; resolves when the last one was sent. */
  async run({ requests }: StormPlan, signal: AbortSignal): Promise<void> {
    const begun = nowMs();
    for (const planned of requests) {
      await pause(Math.max(0, planned.at - (nowMs() - begun)), undefined, { signal });
      this.send(planned);
    }
  }

  /**
   * After the one before of its bot is answered, so that their order is known. Resolves when it is final; never rejects.
   * Undefined when it was left out.
   */
  send(planned: PlannedRequest): Promise<RequestRecord | undefined> {
    const chain = botKey(planned);
    const waiting = this.#waiting.get(chain) ?? 0;
    if (waiting >= waitingMax) {
      this.leftOut++;
      return Promise.resolve(undefined);
    }
    this.#waiting.set(chain, waiting + 1);
    const before = this.#chains.get(chain) ?? Promise.resolve();
    const key = `${this.#options.keyPrefix}-${this.records.length + waiting}-${planned.at}-${chain}`;
    const sent = before.then(() => this.#request(planned, key));
    this.#chains.set(chain, sent);
    const done = sent.then(async (record) => {
      this.#waiting.set(chain, (this.#waiting.get(chain) ?? 1) - 1);
      await this.#follow(record);
      return record;
    });
    this.#open.add(done);
    void done.finally(() => this.#open.delete(done));
    return done;
  }

  /** Until everything is final, or for so long. */
  async settle(limitMs: number): Promise<void> {
    const settled = new AbortController();
    const all = Promise.all(this.#open).finally(() => settled.abort());
    await pause(limitMs, undefined, { signal: settled.signal }).catch(() => undefined); // all is final
    this.#isOver = true;
    await all;
    this.#isOver = false;
  }

  async #request(planned: PlannedRequest, key: string): Promise<RequestRecord> {
    const sentAt = nowMs();
    const record: RequestRecord = {
      planned,
      key,
      sentAt,
      sends: 0,
      answer: { kind: 'none' },
      otherJobs: [],
      job: undefined,
      jobGone: false,
    };
    this.records.push(record);
    for (let tries = 0; record.answer.kind === 'none' && !this.#isOver; tries++) {
      await this.#once(record, tries === 0 ? planned.leaveAfterMs : undefined);
      if (record.answer.kind === 'none') await pause(againMs);
    }
    if (planned.again && record.answer.kind === 'accepted') await this.#once(record, undefined);
    return record;
  }

  async #once(record: RequestRecord, leaveAfterMs: number | undefined): Promise<void> {
    const { planned, key } = record;
    if (record.answer.kind === 'none') record.sends += 1;
    try {
      const { status, body } = await ask(this.#options.url, this.#tokenOf(planned.user), '/jobs', {
        body: { blueprint: 'bot_runner', data: this.#dataOf(planned) },
        key,
        ...(leaveAfterMs !== undefined && { signal: AbortSignal.timeout(leaveAfterMs) }),
      });
      if (status === 202) {
        const jobId = String(body.job_id);
        if (record.answer.kind === 'none') record.answer = { kind: 'accepted', at: nowMs(), jobId };
        else if (record.answer.kind === 'accepted' && record.answer.jobId !== jobId) record.otherJobs.push(jobId);
      } else if (status < 500 && body.error?.code !== 'RATE_LIMITED' && record.answer.kind === 'none') {
        record.answer = { kind: 'refused', at: nowMs(), status, code: String(body.error?.code) };
      }
    } catch {
      // No answer: whether it was taken shows when it is sent again.
    }
  }

  async #follow(record: RequestRecord): Promise<void> {
    if (record.answer.kind !== 'accepted') return;
    const { jobId } = record.answer;
    while (!this.#isOver) {
      try {
        const { status, body } = await ask(this.#options.url, this.#tokenOf(record.planned.user), `/jobs/${jobId}`);
        if (status === 404) {
          record.jobGone = true;
          return;
        }
        if (status === 200 && ['completed', 'failed', 'cancelled'].includes(body.status)) {
          record.job = { at: nowMs(), body };
          return;
        }
      } catch {
        // Asked again.
      }
      await pause(pollMs);
    }
  }

  #tokenOf(user: string): string {
    const token = this.#options.tokens.get(user);
    if (token === undefined) throw new Error(`user ${user} has no token`);
    return token;
  }

  #dataOf({ user, bot, action, version, behaviour, takeover }: RequestRecord['planned']): object {
    if (action === 'list') return { action };
    if (action === 'logs') return { action, bot_id: bot, lines: 20 };
    if (action === 'delete') return { action, bot_id: bot, purge: true };
    if (version === undefined) return { action, bot_id: bot };
    const known = this.#options.bots.find((each) => each.user === user && each.bot === bot);
    const source =
      known?.mode === 'image' && this.#options.hasEngine
        ? { deployment_mode: 'image', docker_image: stormImage }
        : { deployment_mode: 'simple', files: { 'bot.py': `# version ${version}\n${diaryBot}` } };
    const env_vars = {
      STORM_WITNESS: this.#options.witness,
      STORM_USER: user,
      STORM_BOT: bot,
      STORM_VERSION: String(version),
      STORM_BEHAVIOUR: behaviour,
      STORM_TOKEN: known?.token === undefined ? '' : String(known.token),
      ...(known?.token !== undefined && { BOT_TOKEN: telegramToken(known.token) }),
    };
    const on = known?.spot === undefined ? {} : { on: { spot: known.spot } };
    return { action, bot_id: bot, ...source, ...on, env_vars, ...(takeover && { takeover: true }) };
  }
}

const telegramToken = (n: number): string => `${700_000_000 + n}:AA${String(n).padStart(33, 'x')}`;
