/**
 * One question to a Bot API server, for the preflight: bounded in time and size. Nothing it says of a failure holds the
 * token, which is part of the URL.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '#common/clock.ts';
import type { Secret } from '#common/secret.ts';
import { trimEnd } from '#common/trim-end.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';

/** What the Bot API answers: https://core.telegram.org/bots/api#making-requests. */
export type TelegramAnswer =
  | { readonly kind: 'ok'; readonly result: unknown }
  /** It is a Bot API server, and refuses; `code` is error_code. */
  | { readonly kind: 'refused'; readonly code: number }
  /** No answer in time, or none of a Bot API server. */
  | { readonly kind: 'silent' };

/** Asks one method without parameters. Never throws, but with the signal's reason when aborted. */
export type AskTelegram = (
  token: Secret,
  method: 'getMe' | 'getWebhookInfo',
  signal: AbortSignal,
) => Promise<TelegramAnswer>;

const answerLimitMs = 3000;
const answerBytesMax = 64 * 1024;

/** `base` is the operator's word; no redirect is followed. */
export function createAskTelegram(base: string, clock: Clock): AskTelegram {
  const root = trimEnd(base, '/');
  return async (token, method, signal) => {
    try {
      return await withTimeLimit(clock, 'asking the Bot API', answerLimitMs, signal, (limited) =>
        ask(new URL(`${root}/bot${token.reveal()}/${method}`), limited),
      );
    } catch {
      signal.throwIfAborted();
      // Whatever kept it from answering: the preflight continues without, and says so.
      return { kind: 'silent' };
    }
  };
}

async function ask(url: URL, signal: AbortSignal): Promise<TelegramAnswer> {
  const answer = await open(url, signal);
  try {
    return readAnswer(await readBody(answer));
  } finally {
    answer.destroy();
  }
}

function open(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      agent: false,
      signal,
      headers: { accept: 'application/json', 'user-agent': 'bot-runner' },
    });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      // Until its reader listens, an abort would end the process; the reader gets the same error.
      answer.on('error', () => {});
      resolve(answer);
    });
    sent.end();
  });
}

async function readBody(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

function readAnswer(body: unknown): TelegramAnswer {
  if (typeof body !== 'object' || body === null || !('ok' in body)) return { kind: 'silent' };
  if (body.ok === true && 'result' in body) return { kind: 'ok', result: body.result };
  if (body.ok === false && 'error_code' in body && typeof body.error_code === 'number') {
    return { kind: 'refused', code: body.error_code };
  }
  return { kind: 'silent' };
}
