/** No test here sends a packet: names are resolved by tables. */
import { describe, expect, test } from 'vitest';
import {
  checkRedirect,
  checkUrl,
  guardedLookup,
  parseFetchAllow,
  pinnedLookup,
  type ResolvedAddress,
} from './fetch-policy.ts';

const verdict = (text: unknown, allow: readonly string[] = []) => {
  const result = checkUrl(text, allow);
  return result.ok ? result.value.href : result.problem.code;
};

describe('an archive URL', () => {
  test.each([
    'https://example.com/bot.tar.gz',
    'http://example.com/bot.tar.gz',
    'https://example.com:8443/a%20b.tar?x=1&y=https://127.0.0.1/',
    'https://8.8.8.8/x',
    'https://[2606:4700:4700::1111]/x',
    'https://files.example_x.com/x',
  ])('%s is accepted', (url) => {
    expect(verdict(url)).toBe(url);
  });

  test('is taken as the parser has it: lower case, ASCII, without a default port', () => {
    expect(verdict('HTTPS://Example.COM:443/A')).toBe('https://example.com/A');
    expect(verdict('https://бот.example/x')).toBe('https://xn--90a0am.example/x');
  });

  test.each([
    [undefined],
    [null],
    [7],
    [['https://example.com']],
    [''],
    ['example.com/x'],
    ['//example.com/x'],
    ['/etc/passwd'],
    ['file:///etc/passwd'],
    ['ftp://example.com/x'],
    ['gopher://example.com/x'],
    ['data:text/plain,x'],
    ['javascript:alert(1)'],
    ['jar:https://example.com/x!/y'],
    ['unix:///var/run/docker.sock'],
    ['https:example.com'],
    ['https:/example.com'],
    ['https:///example.com'],
    ['https:/\\evil.example'],
    ['https:\\\\evil.example'],
    ['https://good.example@evil.example/x'],
    ['https://user:pass@example.com/x'],
    ['https://@example.com/x'],
    ['https://evil.example#@good.example/x'],
    ['https://example.com/x#y'],
    [' https://example.com/x'],
    ['https://example.com/x\r\nHost: y'],
    ['https://example.com/\u202egz.rat'],
    ['https://example.com/%0d%0aX: y'],
    ['https://exa mple.com/x'],
    ['https://-example.com/x'],
    ['https://a..example.com/x'],
    ['https://example.com:99999/x'],
    ['https://1.2.3.4.5/x'],
    [`https://example.com/${'x'.repeat(3000)}`],
  ])('%j is refused as one', (url) => {
    expect(verdict(url)).toBe('INVALID_ARCHIVE_URL');
  });

  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0/',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://017700000001/',
    'http://0x7f.0.0.1/',
    'http://%31%32%37.0.0.1/',
    'http://１２７.0.0.1/',
    'http://127。0。0。1/',
    'http://localhost/',
    'http://LOCALHOST:8000/',
    'http://localhost./',
    'http://a.localhost/',
    'http://ⓛocalhost/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://metadata.google.internal/',
    'http://metadata.google.internal./',
    'http://metadata/',
    'http://redis:6379/',
    'http://printer.local/',
    'http://router.home.arpa/',
    'http://host.docker.internal/',
    'http://100.100.100.200/',
    'http://10.0.0.1/',
    'http://172.17.0.1/',
    'http://192.168.0.1/',
    'http://100.64.0.1/',
    'http://0.0.0.0/',
    'http://224.0.0.1/',
    'http://[64:ff9b::a00:1]/',
  ])('%s is refused for where it leads, always with the same words', (url) => {
    const result = checkUrl(url, []);
    expect(result).toEqual(checkUrl('http://127.0.0.1/', []));
    expect(result).toMatchObject({ ok: false, problem: { code: 'FORBIDDEN_URL', details: { field: 'archive_url' } } });
  });

  test('to a place that the operator lists is accepted, and to its neighbours not', () => {
    const allow = parseFetchAllow('localhost:5000, 127.0.0.1:8080,[::1]:9000,10.0.0.1:80') ?? [];
    expect(allow).toHaveLength(4);
    for (const url of ['http://localhost:5000/x', 'http://127.1:8080/', 'http://[::1]:9000/', 'http://10.0.0.1/']) {
      expect(verdict(url, allow), url).not.toBe('FORBIDDEN_URL');
    }
    for (const url of [
      'http://localhost:5001/',
      'http://127.0.0.1:5000/',
      'http://localhost/',
      'https://10.0.0.1/',
      'http://x.localhost:5000/',
    ]) {
      expect(verdict(url, allow), url).toBe('FORBIDDEN_URL');
    }
  });
});

describe('FETCH_ALLOW', () => {
  test.each([
    ['', []],
    [' , ', []],
    ['Registry.Example:443', ['registry.example:443']],
    ['a:1,[fd00::1]:2', ['a:1', '[fd00::1]:2']],
  ])('%j is read', (text, entries) => {
    expect(parseFetchAllow(text)).toEqual(entries);
  });
  test.each(['localhost', 'http://localhost:80', 'a:0', 'a:65536', 'a:b', 'a b:1', ':80', 'a:80/x', '10.0.0.0/8'])(
    '%j is not one',
    (text) => {
      expect(parseFetchAllow(`ok:1,${text}`)).toBeUndefined();
    },
  );
});

describe('hostile 54: a redirect', () => {
  const from = new URL('https://example.com/a/b');
  const to = (location: unknown, start = from) => {
    const result = checkRedirect(start, location, []);
    return result.ok ? result.value.href : result.problem.code;
  };
  test('is followed to public places, relative ones too', () => {
    expect(to('https://cdn.example.org/x')).toBe('https://cdn.example.org/x');
    expect(to('/x?y')).toBe('https://example.com/x?y');
    expect(to('c')).toBe('https://example.com/a/c');
    expect(to('https://example.com/', new URL('http://example.com/'))).toBe('https://example.com/');
  });
  test.each(['http://169.254.169.254/', 'https://169.254.169.254/', 'https://localhost/', '//10.0.0.1/'])(
    'to %s is refused',
    (location) => {
      expect(to(location)).toBe(location.startsWith('http:') ? 'FETCH_FAILED' : 'FORBIDDEN_URL');
    },
  );
  test.each([
    ['to a file', 'file:///etc/passwd'],
    ['without encryption', 'http://example.com/x'],
    ['with user information', 'https://me:pw@example.com/'],
    ['of ten megabytes', `https://example.com/${'x'.repeat(10_000_000)}`],
    ['that is not there', undefined],
    ['that cannot be read', 'https://['],
  ])('%s is refused', (_title, location) => {
    expect(to(location)).toBe('FETCH_FAILED');
  });
});

describe('a name that is resolved', () => {
  const signal = new AbortController().signal;
  const answers = (...addresses: string[]): ResolvedAddress[] =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const lookup = (table: readonly string[], url: string, allow: readonly string[] = []) =>
    guardedLookup(async () => answers(...table), allow)(new URL(url), signal);

  test('to public addresses gives exactly these', async () => {
    const result = await lookup(['93.184.216.34', '2606:2800:220:1::1'], 'https://example.com/');
    expect(result).toEqual({ ok: true, value: answers('93.184.216.34', '2606:2800:220:1::1') });
  });

  test.each([
    ['a private address', ['10.0.0.1']],
    ['the metadata service', ['169.254.169.254']],
    ['a public address and a private one', ['93.184.216.34', '127.0.0.1']],
    ['a public IPv4 and a private IPv6 address', ['93.184.216.34', 'fd00::1']],
    ['something that is no address', ['93.184.216.34', 'x']],
  ])('to %s is refused', async (_title, table) => {
    expect(await lookup(table, 'https://example.com/')).toMatchObject({
      ok: false,
      problem: { code: 'FORBIDDEN_URL' },
    });
  });

  test('hostile 53: is resolved once, so that a second answer changes nothing', async () => {
    const given = [['93.184.216.34'], ['127.0.0.1']];
    let asked = 0;
    const guarded = guardedLookup(async () => answers(...(given[asked++] ?? [])), []);
    const result = await guarded(new URL('https://rebind.example/'), signal);
    if (!result.ok) throw new Error('refused');
    const [first, ...rest] = result.value;
    if (first === undefined) throw new Error('no address');
    const pinned = pinnedLookup([first, ...rest]);
    const heard: unknown[] = [];
    pinned('rebind.example', { all: true }, (...args) => heard.push(args));
    pinned('rebind.example', {}, (...args) => heard.push(args));
    expect(heard).toEqual([
      [null, answers('93.184.216.34')],
      [null, '93.184.216.34', 4],
    ]);
    expect(asked).toBe(1);
    expect(await guarded(new URL('https://rebind.example/'), signal)).toMatchObject({ ok: false });
  });

  test('that is an address already, or forbidden as it is written, asks nobody', async () => {
    const guarded = guardedLookup(() => Promise.reject(new Error('asked')), []);
    expect(await guarded(new URL('https://8.8.8.8/'), signal)).toEqual({ ok: true, value: answers('8.8.8.8') });
    expect(await guarded(new URL('https://[::1]/'), signal)).toMatchObject({ problem: { code: 'FORBIDDEN_URL' } });
    expect(await guarded(new URL('https://localhost/'), signal)).toMatchObject({ problem: { code: 'FORBIDDEN_URL' } });
  });

  test('and is listed by the operator may be private', async () => {
    const allow = ['registry.example:443'];
    expect((await lookup(['10.0.0.1'], 'https://registry.example/', allow)).ok).toBe(true);
    expect((await lookup(['10.0.0.1'], 'https://registry.example:444/', allow)).ok).toBe(false);
  });

  test('to nothing is a failed fetch, and what the resolver rejects with is passed on', async () => {
    expect(await lookup([], 'https://example.com/')).toMatchObject({ problem: { code: 'FETCH_FAILED' } });
    const failing = guardedLookup(() => Promise.reject(new Error('SERVFAIL')), []);
    await expect(failing(new URL('https://example.com/'), signal)).rejects.toThrow('SERVFAIL');
  });
});
