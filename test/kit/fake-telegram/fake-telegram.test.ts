import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.ts';
import { createManualClock, type ManualClock } from '../manual-clock.ts';
import { type FakeTelegram, startFakeTelegram } from './fake-telegram.ts';

const token = '123:ABC';
let clock: ManualClock;
let telegram: FakeTelegram;

beforeEach(async () => {
  clock = createManualClock();
  telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [token], clock });
});
afterEach(() => telegram.close());

// The answers' shapes are what is tested; the test reads them as loose JSON.
interface Answer {
  status: number;
  ok: boolean;
  error_code?: number;
  description?: string;
  parameters?: { retry_after?: number };
  result?: unknown;
}

async function call(method: string, params: object = {}, init: RequestInit = {}, usedToken = token): Promise<Answer> {
  const response = await fetch(`${telegram.url}/bot${usedToken}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
    ...init,
  });
  return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) };
}

const untilPolling = () =>
  eventually(
    'a poll waits',
    () => telegram.stats(token),
    (stats) => stats.polling,
  );

describe('who may call', () => {
  it('tells a known bot who it is', async () => {
    const me = await call('getMe');
    expect(me).toMatchObject({ status: 200, ok: true, result: { id: 123, is_bot: true, username: 'test_123_bot' } });
  });

  it('answers 401 to a token it does not know, and counts it', async () => {
    const refused = await call('getMe', {}, {}, '123:WRONG');
    expect(refused).toEqual({ status: 401, ok: false, error_code: 401, description: 'Unauthorized' });
    expect(telegram.unauthorizedCalls()).toBe(1);
  });

  it('answers 401 once a token is revoked, and 200 once it is back', async () => {
    telegram.revokeToken(token);
    expect((await call('getMe')).status).toBe(401);
    telegram.addToken(token);
    expect((await call('getMe')).status).toBe(200);
  });

  it('takes a token whose colon is percent-encoded, and any case of a method name', async () => {
    expect((await call('GETME', {}, {}, '123%3AABC')).status).toBe(200);
  });

  it('answers 404 to an unknown method and to any other path, and 401 to a token in bad percent-encoding', async () => {
    expect(await call('makeCoffee')).toMatchObject({ status: 404, description: 'Not Found: method not found' });
    expect((await fetch(`${telegram.url}/`)).status).toBe(404);
    expect((await fetch(`${telegram.url}/bot%zz/getMe`)).status).toBe(401);
  });

  it('refuses to start with a token no library would take', async () => {
    const start = startFakeTelegram({ host: '127.0.0.1', tokens: ['not-a-token'] });
    await expect(start).rejects.toThrow('a bot token is digits');
  });
});

describe('getUpdates', () => {
  const texts = (answer: Answer) =>
    (answer.result as { update_id: number; message: { text: string } }[]).map((update) => update.message.text);

  it('hands out what was said, again and again, until a higher offset confirms it', async () => {
    telegram.chat(token).say('one');
    telegram.chat(token).say('two');
    expect(texts(await call('getUpdates'))).toEqual(['one', 'two']);
    expect(texts(await call('getUpdates', { offset: 0, limit: 1 }))).toEqual(['one']);
    expect(texts(await call('getUpdates', { offset: 2 }))).toEqual(['two']);
    expect(telegram.stats(token).pendingUpdates).toBe(1);
    expect(texts(await call('getUpdates', { offset: -1 }))).toEqual(['two']);
    expect(texts(await call('getUpdates', { offset: 3 }))).toEqual([]);
    expect(telegram.stats(token).pendingUpdates).toBe(0);
  });

  it('waits for the next message and answers at once when it comes', async () => {
    const poll = call('getUpdates', { timeout: 30 });
    await untilPolling();
    telegram.chat(token).say('hello');
    expect(texts(await poll)).toEqual(['hello']);
    expect(telegram.stats(token).polling).toBe(false);
  });

  it('answers an empty list when the time asked for is over, and cuts it at 50 s', async () => {
    const poll = call('getUpdates', { timeout: 1000 });
    await untilPolling();
    clock.advance(49_999);
    expect(telegram.stats(token).polling).toBe(true);
    clock.advance(1);
    expect(await poll).toEqual({ status: 200, ok: true, result: [] });
  });

  it('ends the older of two overlapping polls with 409 and lets the newer continue', async () => {
    const older = call('getUpdates', { timeout: 30 });
    await untilPolling();
    const newer = call('getUpdates', { timeout: 30 });
    expect(await older).toMatchObject({ status: 409, error_code: 409 });
    telegram.chat(token).say('hello');
    expect(texts(await newer)).toEqual(['hello']);
    expect(telegram.stats(token).conflicts).toBe(1);
  });

  it('sees no conflict between one poll after the other, nor with a client that hung up', async () => {
    await call('getUpdates');
    const hangUp = new AbortController();
    const gone = call('getUpdates', { timeout: 30 }, { signal: hangUp.signal });
    await untilPolling();
    hangUp.abort();
    await expect(gone).rejects.toThrow();
    await eventually(
      'the poll is forgotten',
      () => telegram.stats(token),
      (stats) => !stats.polling,
    );
    await call('getUpdates');
    expect(telegram.stats(token).conflicts).toBe(0);
  });

  it('keeps the bots apart', async () => {
    telegram.addToken('456:DEF');
    telegram.chat(token).say('for 123');
    expect(texts(await call('getUpdates', {}, {}, '456:DEF'))).toEqual([]);
    expect(() => telegram.chat('789:XYZ')).toThrow('no bot with the token');
  });

  it('refuses to keep more than 1000 unread updates', () => {
    const chat = telegram.chat(token);
    for (let i = 0; i < 1000; i++) chat.say(`message ${i}`);
    expect(() => chat.say('one more')).toThrow('1000 updates unread');
  });
});

describe('webhooks', () => {
  it('stops polling with 409 while one is set, shows it, and lets polling continue when it is deleted', async () => {
    telegram.chat(token).say('kept');
    expect((await call('setWebhook', { url: 'https://bot.test/hook' })).ok).toBe(true);
    expect((await call('getUpdates')).description).toContain('webhook is active');
    expect((await call('getWebhookInfo')).result).toMatchObject({
      url: 'https://bot.test/hook',
      pending_update_count: 1,
    });
    await call('deleteWebhook', { drop_pending_updates: true });
    expect((await call('getWebhookInfo')).result).toMatchObject({ url: '', pending_update_count: 0 });
    expect((await call('getUpdates')).status).toBe(200);
  });
});

describe('a chat', () => {
  it('gets the answers of the bot in order, whether it asks before or after them', async () => {
    const chat = telegram.chat(token, { id: 7, firstName: 'Борис' });
    const first = chat.answer(1000);
    await call('sendMessage', { chat_id: 7, text: 'Привет' });
    await call('sendMessage', { chat_id: 7, text: 'second' });
    expect((await first).text).toBe('Привет');
    expect(await chat.answer(1000)).toMatchObject({ text: 'second', chat: { id: 7, first_name: 'Борис' } });
  });

  it('says what the bot did when no answer comes in time', async () => {
    const answer = telegram.chat(token).answer(5000);
    clock.advance(5000);
    await expect(answer).rejects.toThrow(/no answer to Ann within 5000 ms: .*"polling":false/);
  });

  it('stops waiting when it is aborted', async () => {
    const abort = new AbortController();
    const answer = telegram.chat(token).answer(5000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(answer).rejects.toThrow('enough');
  });

  it('marks a command as Telegram does', async () => {
    telegram.chat(token).say('/start now');
    const [update] = (await call('getUpdates')).result as { message: { entities: unknown } }[];
    expect(update?.message.entities).toEqual([{ type: 'bot_command', offset: 0, length: 6 }]);
  });
});

describe('sendMessage', () => {
  it('refuses a stranger, no text and too long a text', async () => {
    expect((await call('sendMessage', { chat_id: 99, text: 'hi' })).description).toBe('Bad Request: chat not found');
    telegram.chat(token);
    expect((await call('sendMessage', { chat_id: 42 })).description).toBe('Bad Request: message text is empty');
    expect((await call('sendMessage', { chat_id: 42, text: 'x'.repeat(4097) })).status).toBe(400);
  });

  it('takes urlencoded and multipart bodies and query parameters', async () => {
    const chat = telegram.chat(token);
    await call('sendMessage', {}, { headers: {}, body: new URLSearchParams({ chat_id: '42', text: 'a & b' }) });
    const form = new FormData();
    form.set('chat_id', '42');
    form.set('text', 'two\r\nlines');
    await call('sendMessage', {}, { headers: {}, body: form });
    await fetch(`${telegram.url}/bot${token}/sendMessage?chat_id=42&text=query`);
    const answers = [await chat.answer(1), await chat.answer(1), await chat.answer(1)];
    expect(answers.map((answer) => answer.text)).toEqual(['a & b', 'two\r\nlines', 'query']);
  });

  it('is answered 429 as often as requested', async () => {
    telegram.chat(token);
    telegram.flood(token, { method: 'sendMessage', count: 1, retryAfterS: 3 });
    const flooded = await call('sendMessage', { chat_id: 42, text: 'hi' });
    expect(flooded).toMatchObject({ status: 429, error_code: 429, parameters: { retry_after: 3 } });
    expect((await call('getMe')).status).toBe(200);
    expect((await call('sendMessage', { chat_id: 42, text: 'hi' })).status).toBe(200);
    expect(telegram.stats(token).calls.sendMessage).toBe(2);
  });
});

describe('bad bodies', () => {
  it.each([
    ['broken JSON', { body: '{' }, 400],
    ['JSON that is no object', { body: '[1]' }, 400],
    ['a type it does not know', { headers: { 'content-type': 'text/plain' }, body: 'x' }, 400],
    ['a broken form', { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: 'y' }, 400],
    ['more than 1 MiB', { body: `"${'x'.repeat(2 * 1024 * 1024)}"` }, 413],
  ])('%s is refused', async (_name, init, status) => {
    expect((await call('sendMessage', {}, init)).status).toBe(status);
  });
});

it('close ends waiting polls', async () => {
  const poll = call('getUpdates', { timeout: 30 });
  await untilPolling();
  await telegram.close();
  await expect(poll).rejects.toThrow();
  telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [token] });
});
