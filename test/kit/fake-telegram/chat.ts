/** One person talking to one bot, as a script: `say` something, take the bot's `answer`. */
import type { Clock } from '#common/clock.ts';
import type { TelegramMessage } from './bot-api.ts';

export interface Person {
  readonly id: number;
  readonly firstName: string;
}

export interface ChatHooks {
  readonly clock: Clock;
  /** Puts a message of this person into the bot's queue. */
  readonly deliver: (person: Person, text: string) => void;
  /** What the bot did so far, for the error of an answer that does not come. */
  readonly describeBot: () => string;
}

/** Answers nobody took yet; beyond it the oldest are forgotten. */
const unreadMax = 1000;

export class Chat {
  readonly person: Person;
  readonly #hooks: ChatHooks;
  readonly #unread: TelegramMessage[] = [];
  #forgotten = 0;
  #readers: ((message: TelegramMessage) => void)[] = [];

  constructor(person: Person, hooks: ChatHooks) {
    this.person = person;
    this.#hooks = hooks;
  }

  say(text: string): void {
    this.#hooks.deliver(this.person, text);
  }

  /** The bot's next message that was not taken yet, oldest first. Waits up to `timeoutMs`; the error shows what the bot did. */
  answer(timeoutMs: number, signal?: AbortSignal): Promise<TelegramMessage> {
    const message = this.#unread.shift();
    if (message) return Promise.resolve(message);
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        this.#readers = this.#readers.filter((reader) => reader !== onMessage);
        finish();
      };
      const onMessage = (answer: TelegramMessage) => settle(() => resolve(answer));
      const onAbort = () => settle(() => reject(signal?.reason));
      const cancelTimer = this.#hooks.clock.after(timeoutMs, () => settle(() => reject(this.#noAnswer(timeoutMs))));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#readers.push(onMessage);
      if (signal?.aborted) onAbort();
    });
  }

  /** Called by the fake when the bot writes into this chat. */
  receive(message: TelegramMessage): void {
    const reader = this.#readers.shift();
    if (reader) {
      reader(message);
      return;
    }
    this.#unread.push(message);
    if (this.#unread.length > unreadMax) {
      this.#unread.shift();
      this.#forgotten++;
    }
  }

  #noAnswer(timeoutMs: number): Error {
    const forgotten = this.#forgotten > 0 ? `, ${this.#forgotten} older answers forgotten unread` : '';
    return new Error(
      `no answer to ${this.person.firstName} within ${timeoutMs} ms: ${this.#hooks.describeBot()}${forgotten}`,
    );
  }
}
