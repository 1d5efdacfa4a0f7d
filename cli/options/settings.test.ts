import { describe, expect, it } from 'vitest';
import { CliError } from '../failures/errors.ts';
import { cleartextWarning, readSettings } from './settings.ts';

const token = 'test-client-token';
const none = { url: undefined, token: undefined };

describe('settings', () => {
  it('come from the environment, options win, and the default is the local orchestrator', () => {
    const env = { AVTOMATIKA_URL: 'https://bots.example/path/', AVTOMATIKA_TOKEN: token };
    expect(readSettings(none, env).url).toBe('https://bots.example/path');
    expect(readSettings({ url: 'http://127.0.0.1:9/', token: 'mine' }, env).token.reveal()).toBe('mine');
    expect(readSettings({ url: undefined, token }, {}).url).toBe('http://localhost:8000');
    expect(readSettings({ url: undefined, token }, { AVTOMATIKA_URL: '' }).url).toBe('http://localhost:8000');
  });

  it('show no token when printed', () => {
    expect(JSON.stringify(readSettings({ url: undefined, token }, {}))).not.toContain(token);
  });

  it.each<[string | undefined, string, number]>([
    [undefined, '', 5],
    [undefined, 'two words', 5],
    [undefined, 'line\nend', 5],
    [undefined, 'тест', 5],
    ['ftp://host', token, 2],
    ['localhost:8000', token, 2],
    ['', token, 2],
    ['http://user:pass@host', token, 2],
    ['http://host/?q=1', token, 2],
  ])('url %j with token %j end with exit code %i and show neither password nor token', (url, given, exitCode) => {
    const error = thrownBy(() => readSettings({ url, token: given }, {}));
    expect(error.complaint.exitCode).toBe(exitCode);
    const shown = `${error.complaint.message} ${error.complaint.hint}`;
    expect(shown).not.toContain('pass@');
    if (given !== '') expect(shown).not.toContain(given);
  });
});

it.each<[string, boolean]>([
  ['http://localhost:8000', false],
  ['http://127.0.0.1:8000', false],
  ['http://[::1]:8000', false],
  ['https://bots.example', false],
  ['http://bots.example', true],
  ['http://192.168.1.5:8000', true],
  ['http://127.0.0.1.example', true],
])('%s lets the token out unencrypted: %j', (url, warned) => {
  expect(cleartextWarning(url) !== undefined).toBe(warned);
});

function thrownBy(act: () => unknown): CliError {
  try {
    act();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
