import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#common/env-config.ts';
import { readOrchestratorConfig } from './config.ts';

const mistakesOf = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    readOrchestratorConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
};

it('every path is absolute, from the folder that the orchestrator was started in', () => {
  expect(readOrchestratorConfig({}).dir).toBe(resolve('.data', 'orchestrator'));
  const config = readOrchestratorConfig({ DATA_DIR: '~/bots', TLS_CERT: 'tls/cert.pem', TLS_KEY: '../key.pem' });
  expect(config).toMatchObject({
    dir: join(homedir(), 'bots', 'orchestrator'),
    tls: { certPath: resolve('tls/cert.pem'), keyPath: resolve('../key.pem') },
  });
});

describe('cleartext', () => {
  const inContainer = { HOST: '0.0.0.0', CLIENT_TOKEN: 'client-of-our-own', WORKER_TOKEN: 'worker-of-our-own' };
  it.each(['127.0.0.1:8000', '127.0.0.2:80', 'localhost:8000', '[::1]:8000'])(
    'is for the host alone when a container is published at %s',
    (at) => {
      expect(mistakesOf({ ...inContainer, PUBLISHED_AT: at })).toEqual([]);
    },
  );
  it.each([
    '',
    '8000',
    '0.0.0.0:8000',
    '192.0.2.1:8000',
    '[::]:8000',
    'bots.example.org:8000',
    '127.0.0.1',
    ':8000',
    'x',
  ])('is refused when it is published at %j', (at) => {
    expect(mistakesOf({ ...inContainer, PUBLISHED_AT: at })).toEqual([
      'HOST 0.0.0.0 is not loopback: set TLS_CERT and TLS_KEY, or ALLOW_CLEARTEXT=1 behind a TLS proxy',
    ]);
  });
  it('lets development tokens in no more than elsewhere', () => {
    const seeds = { ...inContainer, PUBLISHED_AT: '127.0.0.1:8000', CLIENT_TOKEN: 'test-client-token' };
    expect(mistakesOf(seeds)).toHaveLength(1);
  });
});

describe('the development tokens', () => {
  const open = { HOST: '0.0.0.0', ALLOW_CLEARTEXT: '1' };
  const own = { CLIENT_TOKEN: 'client-of-our-own', WORKER_TOKEN: 'worker-of-our-own', ADMIN_TOKEN: 'admin-of-our-own' };
  const words = ['test-client-token', 'test-admin-token', 'test-worker-token'];

  it.each(['CLIENT_TOKEN', 'ADMIN_TOKEN', 'WORKER_TOKEN', 'GLOBAL_WORKER_TOKEN'])(
    'are refused off loopback in %s, whichever of them it is, with the cure and without the value',
    (name) => {
      const rest = name === 'GLOBAL_WORKER_TOKEN' ? { ...own, WORKER_TOKEN: '' } : own;
      for (const word of words) {
        const mistakes = mistakesOf({ ...open, ...rest, [name]: word });
        expect(mistakes).toEqual([
          `${name.replace('GLOBAL_', '')} is a development token, which everybody knows, and HOST 0.0.0.0 is not loopback: set a token of your own; sh scripts/make-tokens.sh generates them`,
        ]);
      }
    },
  );

  it('are refused with TLS too', () => {
    const tls = { HOST: '::', TLS_CERT: 'cert.pem', TLS_KEY: 'key.pem' };
    expect(mistakesOf({ ...tls, ...own, CLIENT_TOKEN: 'test-client-token' })).toHaveLength(1);
  });

  it('are taken off loopback when ALLOW_DEVELOPMENT_TOKENS says so, and then have to be given all the same', () => {
    const allowed = { ...open, ALLOW_DEVELOPMENT_TOKENS: '1' };
    expect(mistakesOf({ ...allowed, CLIENT_TOKEN: 'test-client-token', WORKER_TOKEN: 'test-worker-token' })).toEqual(
      [],
    );
    expect(mistakesOf(allowed)).toEqual([
      'CLIENT_TOKEN must be set when HOST is not loopback',
      'WORKER_TOKEN must be set when HOST is not loopback',
    ]);
  });

  it.each([
    ['PUBLIC_NAME', 'bots.example.org', 'PUBLIC_NAME is set'],
    ['STRANGERS', '1', 'STRANGERS is 1'],
  ])('are refused with %s, on loopback too and whatever allows them', (name, value, why) => {
    const set = { [name]: value, ALLOW_DEVELOPMENT_TOKENS: '1' };
    expect(mistakesOf(set)).toEqual([`CLIENT_TOKEN must be set when ${why}`, `WORKER_TOKEN must be set when ${why}`]);
    const [client, worker, admin] = words;
    const given = { ...set, CLIENT_TOKEN: client, ADMIN_TOKEN: worker, WORKER_TOKEN: admin };
    expect(mistakesOf(given)).toEqual(Array(3).fill(expect.stringContaining(`everybody knows, and ${why}`)));
    const mine = { ...set, CLIENT_TOKEN: 'c'.repeat(40), WORKER_TOKEN: 'w'.repeat(40) };
    expect(readOrchestratorConfig(mine).adminToken).toBeUndefined();
  });

  it('are the defaults on loopback', () => {
    const { clientToken, adminToken, workerToken } = readOrchestratorConfig({});
    expect([clientToken, adminToken, workerToken].map((token) => token?.reveal())).toEqual(words);
  });

  it("do not get in the way of tokens of one's own", () => {
    expect(mistakesOf({ ...open, ...own })).toEqual([]);
  });
});
