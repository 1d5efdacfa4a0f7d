import { describe, expect, it } from 'vitest';
import { parseEgress } from './egress-setting.ts';
import { shown } from './firewall.ts';
import { destinationOf, parsePlace, placeOfUrl, placesOfRegistry, placeText } from './places.ts';

describe('a place', () => {
  it.each([
    ['api.telegram.org', { host: 'api.telegram.org' }],
    ['API.Telegram.org:443', { host: 'api.telegram.org', port: 443 }],
    [' redis:6379 ', { host: 'redis', port: 6379 }],
    ['10.0.0.5', { host: '10.0.0.5' }],
    ['10.0.0.0/8', { host: '10.0.0.0/8' }],
    ['10.0.0.0/24:5432', { host: '10.0.0.0/24', port: 5432 }],
    ['[fd00::1]:80', { host: 'fd00::1', port: 80 }],
    ['[fd00::]/8', { host: 'fd00::/8' }],
  ])('%j is read', (text, place) => {
    expect(parsePlace(text)).toEqual(place);
    // What is shown can be typed again.
    expect(parsePlace(placeText(place))).toEqual(place);
  });

  it.each([
    '',
    ':80',
    'host:0',
    'host:65536',
    'host:http',
    '10.0.0.0/33',
    '10.0.0.256',
    '10.1',
    '127.1:80',
    'fd00::1',
    '[fd00::1%eth0]:80',
    '[fd00::1]/129',
    '[10.0.0.1]:80',
    'name/24',
    '-x',
    'a..b',
    'a b',
    'https://host/',
    'x" accept; #',
    '*',
  ])('%j is none', (text) => {
    expect(parsePlace(text)).toBeUndefined();
  });

  it('is where a URL or a mirror of the settings leads', () => {
    expect(placeOfUrl('https://pypi.example.org/simple/')).toEqual({ host: 'pypi.example.org', port: 443 });
    expect(placeOfUrl('http://[fd00::5]:3141/')).toEqual({ host: 'fd00::5', port: 3141 });
    expect(placeOfUrl('ftp://x/')).toBeUndefined();
    expect(placeOfUrl(undefined)).toBeUndefined();
    expect(placesOfRegistry('mirror.example.org:5000/hub')).toEqual([{ host: 'mirror.example.org', port: 5000 }]);
    expect(placesOfRegistry('mirror.example.org')).toEqual([
      { host: 'mirror.example.org', port: 443 },
      { host: 'mirror.example.org', port: 80 },
    ]);
    expect(placesOfRegistry(undefined)).toEqual([]);
  });

  it('is a destination unless it has a name', () => {
    expect(destinationOf({ host: '10.0.0.0/8', port: 1 })).toEqual({ family: 4, range: '10.0.0.0/8', port: 1 });
    expect(destinationOf({ host: 'fd00::/8' })).toEqual({ family: 6, range: 'fd00::/8' });
    expect(destinationOf({ host: 'redis', port: 1 })).toBeUndefined();
  });
});

describe('EGRESS', () => {
  it.each(['internet', 'open', 'allow:10.0.0.5:6379', 'allow:internet,10.0.0.5:6379,[fd00::]/8'])(
    '%j is read',
    (text) => {
      const setting = parseEgress(text);
      expect(setting).toBeDefined();
      if (setting !== undefined) expect(shown(setting)).toBe(text);
    },
  );

  it.each([
    '',
    'closed',
    'allow',
    'allow:',
    'allow:,',
    'allow:10.0.0.5,',
    'internet,10.0.0.5',
    'allow:open/x',
    'INTERNET',
  ])('%j is refused', (text) => {
    expect(parseEgress(text)).toBeUndefined();
  });

  it('lets the list hold the internet', () => {
    expect(parseEgress('allow:internet, redis:6379')).toEqual({
      kind: 'filtered',
      internet: true,
      allow: [{ host: 'redis', port: 6379 }],
    });
    expect(parseEgress('allow:internet')).toEqual(parseEgress('internet'));
  });
});
