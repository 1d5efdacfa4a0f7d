import { describe, expect, it } from 'vitest';
import { checkVisit, parsePublicNames, type VisitorRules } from './visitors.ts';

const loopback: VisitorRules = {
  loopback: true,
  developmentTokens: true,
  publicNames: [],
  origins: ['https://app.example'],
};
const named = { ...loopback, publicNames: ['bots.example.org'] };
const network = { ...loopback, loopback: false, developmentTokens: false };
const hosts = (rules: VisitorRules, all: readonly (string | undefined)[]) =>
  all.map((host) => checkVisit({ host, origin: undefined }, rules) === undefined);

describe('the host of a request', () => {
  it('on loopback is one of loopback, an address, or one that the operator named', () => {
    const fine = [
      'localhost',
      'LocalHost:8000',
      '127.0.0.1:8000',
      '[::1]:8000',
      'a.localhost',
      'localhost.',
      '192.0.2.1',
      undefined,
      '',
    ];
    expect(hosts(loopback, fine)).toEqual(fine.map(() => true));
    const wrong = [
      'evil.example',
      'evil.example:8000',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'bots.example.org',
    ];
    expect(hosts(loopback, wrong)).toEqual(wrong.map(() => false));
    expect(hosts(named, ['Bots.Example.org:443', 'bots.example.org.', 'evil.example'])).toEqual([true, true, false]);
  });

  it('elsewhere is any until the operator names some', () => {
    expect(hosts(network, ['evil.example', 'localhost'])).toEqual([true, true]);
    expect(hosts({ ...network, developmentTokens: true }, ['evil.example', 'orchestrator', 'localhost'])).toEqual([
      false,
      true,
      true,
    ]);
    expect(
      hosts({ ...named, loopback: false }, ['evil.example', 'bots.example.org', 'localhost', '192.0.2.1']),
    ).toEqual([false, true, true, true]);
  });

  it('that is wrong is named, with the setting', () => {
    const { details, hint } = checkVisit({ host: 'evil.example:8000', origin: undefined }, named) ?? {};
    expect([details, hint]).toEqual([
      { host: 'evil.example' },
      expect.stringContaining('PUBLIC_NAME=bots.example.org,evil.example'),
    ]);
  });
});

describe('the origin of a page', () => {
  it.each([
    ['https://app.example', true],
    ['http://localhost:8000', true],
    ['http://localhost:3000', false],
    ['https://evil.example', false],
    ['null', false],
    ['file://', false],
  ])('%s', (origin, isFine) => {
    expect(checkVisit({ host: 'localhost:8000', origin }, loopback) === undefined).toBe(isFine);
    expect(checkVisit({ host: 'localhost:8000', origin }, { ...loopback, origins: '*' })).toBeUndefined();
  });
});

it('PUBLIC_NAME takes names', () => {
  expect(parsePublicNames('Bots.example.org, b.example')).toEqual(['bots.example.org', 'b.example']);
  expect(parsePublicNames('')).toEqual([]);
  for (const wrong of ['https://bots.example.org', 'bots.example.org:443', 'a b', '*'])
    expect(parsePublicNames(wrong)).toBeUndefined();
});
