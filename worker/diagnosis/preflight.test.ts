import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { type FakeTelegram, startFakeTelegram } from '../../test/kit/fake-telegram/fake-telegram.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { createAskTelegram } from './ask-telegram.ts';
import { createPreflight, type Preflight, preflightBase } from './preflight.ts';

const known = '123456789:AAknown-token-of-a-test-bot-000001';
const unknown = '123456789:AAunknown-token-of-nobody-00000002';
const { signal } = new AbortController();

describe('the preflight against a Bot API server', () => {
  let telegram: FakeTelegram;
  let preflight: Preflight;
  const check = (env: Record<string, string>) => preflight.check({ TELEGRAM_API_BASE: telegram.url, ...env }, signal);
  const setWebhook = (url: string) =>
    fetch(`${telegram.url}/bot${known}/setWebhook`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url }),
    });
  beforeEach(async () => {
    telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [known] });
    preflight = createPreflight(telegram.url, createAskTelegram(telegram.url, systemClock));
  });
  afterEach(() => telegram.close());

  it('lets a bot with a good token start, and has asked about it', async () => {
    expect(await check({ BOT_TOKEN: known, OTHER: 'your_token' })).toEqual({ ok: true, value: [] });
    expect(telegram.stats(known).calls).toMatchObject({ getMe: 1, getWebhookInfo: 1, getUpdates: 0 });
  });

  it('refuses a token that Telegram does not know, by the name of its variable and without the token', async () => {
    const found = await check({ MY_TOKEN: unknown });
    expect(found).toMatchObject({
      ok: false,
      problem: { code: 'INVALID_TELEGRAM_TOKEN', details: { field: 'env_vars.MY_TOKEN' } },
    });
    expect(JSON.stringify(found)).toContain('@BotFather');
    expect(JSON.stringify(found)).not.toContain('AAunknown');
  });

  it('refuses while a webhook is set, and names its host but not its path', async () => {
    await setWebhook(`https://hooks.example.org/${known}`);
    const found = await check({ BOT_TOKEN: known });
    expect(found).toMatchObject({
      ok: false,
      problem: { code: 'CONFLICTING_WEBHOOK', details: { webhook_host: 'hooks.example.org' } },
    });
    expect(JSON.stringify(found)).toContain('deleteWebhook');
    expect(JSON.stringify(found)).not.toContain('AAknown');
    await setWebhook('');
    expect(await check({ BOT_TOKEN: known })).toEqual({ ok: true, value: [] });
  });

  it('only warns when Telegram has other worries', async () => {
    telegram.flood(known, { method: 'getMe', count: 1, retryAfterS: 5 });
    expect(await check({ BOT_TOKEN: known })).toEqual({
      ok: true,
      value: ['Telegram answered 429 when asked about the token in BOT_TOKEN; the bot is started anyway'],
    });
  });

  it('does not ask for bots without a token, and not about one that belongs to another Bot API server', async () => {
    expect(await check({ BOT_TOKEN: '123:ABC' })).toEqual({ ok: true, value: [] });
    expect(await check({ BOT_TOKEN: unknown, TELEGRAM_API_BASE: 'http://127.0.0.1:9' })).toEqual({
      ok: true,
      value: [],
    });
    expect(telegram.unauthorizedCalls()).toBe(0);
  });
});

it('is made where the operator names a server or asks for it', () => {
  expect(preflightBase(undefined, undefined)).toBeUndefined();
  expect(preflightBase(undefined, 'http://base')).toBe('http://base');
  expect(preflightBase(true, undefined)).toBe('https://api.telegram.org');
  expect(preflightBase(false, 'http://base')).toBeUndefined();
});

describe('the preflight without an answer', () => {
  let server: Server;
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const listen = async (handler: Parameters<typeof createServer>[1]) => {
    server = createServer(handler ?? (() => undefined)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  };
  const silence = ['Telegram could not be asked about the token in BOT_TOKEN; the bot is started anyway'];

  it('of a server that hangs warns after 3 s, whatever the wall clock does', async () => {
    const arrived = Promise.withResolvers<void>();
    const base = await listen(() => arrived.resolve());
    const clock = createManualClock();
    const checking = createPreflight(base, createAskTelegram(base, clock)).check(
      { TELEGRAM_API_BASE: base, BOT_TOKEN: unknown, SECOND: known },
      signal,
    );
    await arrived.promise;
    await clock.advanceSettled(3000);
    expect(await checking).toEqual({ ok: true, value: silence });
  });

  it.each([
    ['closes the connection', (_request: unknown, response: { destroy(): void }) => response.destroy()],
    [
      'answers with a page',
      (_: unknown, response: { writeHead(n: number): { end(text: string): void } }) =>
        response.writeHead(404).end('<html>'),
    ],
    [
      'answers without an end',
      (_: unknown, response: { write(text: string): void }) => response.write('x'.repeat(70_000)),
    ],
    [
      'sends elsewhere',
      (_: unknown, response: { writeHead(n: number, head: object): { end(): void } }) =>
        response.writeHead(302, { location: '/' }).end(),
    ],
  ])('of a server that %s warns', async (_what, handler) => {
    const base = await listen(handler as Parameters<typeof createServer>[1]); // each takes what it needs of the two
    const preflight = createPreflight(base, createAskTelegram(base, systemClock));
    expect(await preflight.check({ TELEGRAM_API_BASE: base, BOT_TOKEN: unknown }, signal)).toEqual({
      ok: true,
      value: silence,
    });
  });

  it('is broken off with its start', async () => {
    const arrived = Promise.withResolvers<void>();
    const base = await listen(() => arrived.resolve());
    const preflight = createPreflight(base, createAskTelegram(base, systemClock));
    const stop = new AbortController();
    const checking = preflight.check({ TELEGRAM_API_BASE: base, BOT_TOKEN: unknown }, stop.signal);
    await arrived.promise;
    stop.abort(new Error('not wanted any more'));
    await expect(checking).rejects.toThrow('not wanted any more');
  });
});
