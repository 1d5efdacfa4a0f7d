/** One bot as Telegram's servers know it: its chats, its queue of updates, its webhook, and the API methods on them. */
import type { Clock } from '#common/clock.ts';
import {
  type ApiAnswer,
  accept,
  isTrue,
  type Params,
  refuse,
  type TelegramMessage,
  type TelegramUser,
  wholeNumber,
} from './bot-api.ts';
import { Chat, type Person } from './chat.ts';
import { UpdateQueue } from './update-queue.ts';

const methods = [
  'getMe',
  'getUpdates',
  'sendMessage',
  'getWebhookInfo',
  'setWebhook',
  'deleteWebhook',
  'sendChatAction',
  'setMyCommands',
  'logOut',
  'close',
] as const;
export type MethodName = (typeof methods)[number];

/** What a bot did so far. */
export interface BotStats {
  /** Calls by method, refused ones too. */
  readonly calls: Readonly<Record<MethodName, number>>;
  /** Polls ended with 409 because a newer one came: 0 as long as only one copy of the bot runs. */
  readonly conflicts: number;
  /** A getUpdates of this bot is waiting right now: the bot is up and listens. */
  readonly polling: boolean;
  /** Updates the bot has not confirmed. */
  readonly pendingUpdates: number;
}

/** Answer the next `count` calls of `method` with 429. */
export interface Flood {
  readonly method: MethodName;
  readonly count: number;
  readonly retryAfterS: number;
}

const conflictText =
  'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running';
const webhookText =
  "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
// Limits of the real API: https://core.telegram.org/bots/api#getupdates and #sendmessage.
const pollWaitMaxS = 50;
const updatesPerPollMax = 100;
const textLengthMax = 4096;
/** Our own bound: a test talks to a handful of people. */
const chatsMax = 1000;

export class BotAccount {
  readonly me: TelegramUser;
  readonly #clock: Clock;
  readonly #queue: UpdateQueue;
  readonly #chats = new Map<number, Chat>();
  readonly #calls: Record<MethodName, number>;
  #floods: Flood[] = [];
  #webhookUrl = '';
  #nextMessageId = 1;

  constructor(id: number, clock: Clock) {
    this.me = { id, is_bot: true, first_name: `Test bot ${id}`, username: `test_${id}_bot` };
    this.#clock = clock;
    this.#queue = new UpdateQueue(clock);
    // Object.fromEntries forgets the keys' type; the keys are exactly `methods`.
    this.#calls = Object.fromEntries(methods.map((name) => [name, 0])) as Record<MethodName, number>;
  }

  stats(): BotStats {
    return {
      calls: { ...this.#calls },
      conflicts: this.#queue.conflicts,
      polling: this.#queue.hasWaitingPoll,
      pendingUpdates: this.#queue.pending,
    };
  }

  flood(flood: Flood): void {
    this.#floods = [...this.#floods.filter((other) => other.method !== flood.method), flood];
  }

  /** The chat with this person, the same object each time. */
  chat(person: Person): Chat {
    const known = this.#chats.get(person.id);
    if (known) return known;
    if (this.#chats.size >= chatsMax) throw new Error(`more than ${chatsMax} chats with one bot`);
    const chat = new Chat(person, {
      clock: this.#clock,
      deliver: (from, text) => this.#queue.push(this.#messageOf(from, text)),
      describeBot: () => JSON.stringify(this.stats()),
    });
    this.#chats.set(person.id, chat);
    return chat;
  }

  /** Answers one API call. Method names are matched without regard to case, as Telegram does. */
  async call(methodName: string, params: Params, signal: AbortSignal): Promise<ApiAnswer> {
    const method = methods.find((name) => name.toLowerCase() === methodName.toLowerCase());
    if (!method) return refuse(404, 'Not Found: method not found');
    this.#calls[method]++;
    const flood = this.#takeFlood(method);
    if (flood) {
      const seconds = flood.retryAfterS;
      return refuse(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
    }
    switch (method) {
      case 'getMe':
        return accept({ ...this.me, can_join_groups: true, can_read_all_group_messages: false });
      case 'getUpdates':
        return this.#getUpdates(params, signal);
      case 'sendMessage':
        return this.#sendMessage(params);
      case 'getWebhookInfo':
        return accept({
          url: this.#webhookUrl,
          has_custom_certificate: false,
          pending_update_count: this.#queue.pending,
        });
      case 'setWebhook':
        // Updates are kept, not delivered: bots under test poll.
        return this.#setWebhook(typeof params['url'] === 'string' ? params['url'] : '', params);
      case 'deleteWebhook':
        return this.#setWebhook('', params);
      case 'sendChatAction':
      case 'setMyCommands':
      case 'logOut':
      case 'close':
        return accept(true);
    }
  }

  async #getUpdates(params: Params, signal: AbortSignal): Promise<ApiAnswer> {
    if (this.#webhookUrl) return refuse(409, webhookText);
    const limit = wholeNumber(params['limit'], updatesPerPollMax);
    const waitS = wholeNumber(params['timeout'], 0);
    const result = await this.#queue.poll(
      {
        offset: wholeNumber(params['offset'], 0),
        limit: Math.min(Math.max(limit, 1), updatesPerPollMax),
        waitMs: Math.min(Math.max(waitS, 0), pollWaitMaxS) * 1000,
      },
      signal,
    );
    return result === 'conflict' ? refuse(409, conflictText) : accept(result);
  }

  #sendMessage(params: Params): ApiAnswer {
    const chat = this.#chats.get(wholeNumber(params['chat_id'], Number.NaN));
    const text = params['text'];
    if (!chat) return refuse(400, 'Bad Request: chat not found');
    if (typeof text !== 'string' || text === '') return refuse(400, 'Bad Request: message text is empty');
    if (text.length > textLengthMax) return refuse(400, 'Bad Request: message is too long');
    const message = this.#message(chat.person, this.me, text);
    chat.receive(message);
    return accept(message);
  }

  #setWebhook(url: string, params: Params): ApiAnswer {
    this.#webhookUrl = url;
    if (isTrue(params['drop_pending_updates'])) this.#queue.clear();
    return accept(true);
  }

  #messageOf(person: Person, text: string): TelegramMessage {
    const message = this.#message(person, { id: person.id, is_bot: false, first_name: person.firstName }, text);
    const command = /^\/[a-zA-Z0-9_]+/.exec(text)?.[0];
    return command ? { ...message, entities: [{ type: 'bot_command', offset: 0, length: command.length }] } : message;
  }

  #message(person: Person, from: TelegramUser, text: string): TelegramMessage {
    return {
      message_id: this.#nextMessageId++,
      date: Math.floor(this.#clock.wallMs() / 1000),
      chat: { id: person.id, type: 'private', first_name: person.firstName },
      from,
      text,
    };
  }

  #takeFlood(method: MethodName): Flood | undefined {
    const flood = this.#floods.find((candidate) => candidate.method === method && candidate.count > 0);
    if (flood) this.flood({ ...flood, count: flood.count - 1 });
    return flood;
  }
}
