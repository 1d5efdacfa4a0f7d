/**
 * A stand-in for Telegram's Bot API server, for tests and the demo: the methods a polling bot needs, with the real ones'
 * refusals (401 for a token it does not know, 409 when two copies of a bot poll, 429 on demand). Everything it keeps is
 * bounded. Point bots at it with TELEGRAM_API_BASE=<url>.
 *
 *     const telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: ['123:ABC'] });
 *     const chat = telegram.chat('123:ABC');
 *     chat.say('hello');
 *     console.log((await chat.answer(5000)).text);
 *     await telegram.close();
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '#common/clock.ts';
import { BotAccount, type BotStats, type Flood } from './bot-account.ts';
import { type ApiAnswer, refuse } from './bot-api.ts';
import type { Chat, Person } from './chat.ts';
import { BadCall, readParams } from './request-params.ts';

export type { BotStats, Flood, MethodName } from './bot-account.ts';
export type { TelegramMessage } from './bot-api.ts';
export type { Chat, Person } from './chat.ts';

export interface FakeTelegramOptions {
  /** Address to listen on; one that the bots can reach. */
  readonly host: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Tokens of bots that exist, `<digits>:<anything>`. */
  readonly tokens: readonly string[];
  readonly clock?: Clock;
}

export interface FakeTelegram {
  /** For TELEGRAM_API_BASE, for example "http://127.0.0.1:40213". */
  readonly url: string;
  /** A person's private chat with a bot; the same object for the same person. The person is Ann unless given. */
  chat(token: string, person?: Person): Chat;
  stats(token: string): BotStats;
  /** The next calls of a method are answered 429 Too Many Requests. */
  flood(token: string, flood: Flood): void;
  addToken(token: string): void;
  /** From now on the token is unknown (401), as when its owner revoked it. Its waiting poll continues to its end. */
  revokeToken(token: string): void;
  /** Calls with a token it does not know. */
  unauthorizedCalls(): number;
  close(): Promise<void>;
}

const ann: Person = { id: 42, firstName: 'Ann' };
const connectionsMax = 1000;

export async function startFakeTelegram(options: FakeTelegramOptions): Promise<FakeTelegram> {
  const clock = options.clock ?? systemClock;
  const accounts = new Map<string, BotAccount>();
  let unauthorized = 0;

  const addToken = (token: string) => accounts.set(token, new BotAccount(botIdOf(token), clock));
  const account = (token: string): BotAccount => {
    const found = accounts.get(token);
    if (!found) throw new Error(`the fake Telegram has no bot with the token given (it has ${accounts.size})`);
    return found;
  };
  for (const token of options.tokens) addToken(token);

  async function answer(request: IncomingMessage, signal: AbortSignal): Promise<ApiAnswer> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const [, encodedToken, method] = /^\/bot([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (!encodedToken || !method) return refuse(404, 'Not Found');
    const bot = accounts.get(decode(encodedToken));
    if (!bot) {
      unauthorized++;
      return refuse(401, 'Unauthorized');
    }
    return bot.call(method, await readParams(request, url.searchParams), signal);
  }

  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    answer(request, gone.signal)
      .catch((error: unknown) =>
        error instanceof BadCall ? refuse(error.status, error.message) : refuse(500, `Internal Server Error: ${error}`),
      )
      .then((result) => send(response, result));
  });
  server.maxConnections = connectionsMax;
  server.listen(options.port ?? 0, options.host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { address, port } = server.address() as AddressInfo;

  return {
    url: `http://${address}:${port}`,
    chat: (token, person = ann) => account(token).chat(person),
    stats: (token) => account(token).stats(),
    flood: (token, flood) => account(token).flood(flood),
    addToken,
    revokeToken: (token) => {
      accounts.delete(token);
    },
    unauthorizedCalls: () => unauthorized,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The number before the colon. Throws for a token that no bot library would take. */
function botIdOf(token: string): number {
  const digits = /^([1-9]\d{0,14}):\S+$/.exec(token)?.[1];
  if (!digits) throw new Error('a bot token is digits, a colon, and something after it');
  return Number(digits);
}

/** Bad percent-encoding stays as it is, and is then no known token. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // only a URIError can come here
  }
}

function send(response: ServerResponse, { status, body }: ApiAnswer): void {
  if (response.destroyed || response.writableEnded) return;
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
