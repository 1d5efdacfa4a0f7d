import { describe, expect, it } from 'vitest';
import { parseTarget } from './request-target.ts';

const parse = (target: string, hosts: readonly string[] = ['localhost'], method = 'GET') => {
  const result = parseTarget({ method, target, hosts });
  return result.ok ? [result.value.path, result.value.query] : result.problem.code;
};

describe('the target of a request', () => {
  it.each([
    ['/', ['/', '']],
    ['/events?bot=a&last=1', ['/events', 'bot=a&last=1']],
    ['/a?b?c#d', ['/a', 'b?c']],
    ['//evil/..', ['//evil/..', '']],
    ['http://localhost:8000/jobs?x=1', ['/jobs', 'x=1']],
    ['HTTPS://[::1]', ['/', '']],
    ['http://h?x', ['/', 'x']],
    ['http://[/jobs', 'MALFORMED_REQUEST'],
    ['http:///jobs', 'MALFORMED_REQUEST'],
    ['http://user@host/jobs', 'MALFORMED_REQUEST'],
    ['*', 'MALFORMED_REQUEST'],
    ['', 'MALFORMED_REQUEST'],
    ['jobs', 'MALFORMED_REQUEST'],
    ['example.com:443', 'MALFORMED_REQUEST'],
  ])('%j', (target, expected) => {
    expect(parse(target)).toEqual(expected);
  });

  it('may be the server as a whole for OPTIONS', () => {
    expect(parse('*', ['localhost'], 'OPTIONS')).toEqual(['*', '']);
  });
});

describe('the host of a request', () => {
  it.each([
    'localhost',
    'localhost:8000',
    '127.0.0.1:',
    '[::1]:8000',
    '[::ffff:127.0.0.1]',
    'my_host.internal',
    'xn--e1afmkfd.example:443',
    '',
  ])('%j is taken', (host) => {
    expect(parse('/', [host])).toEqual(['/', '']);
  });

  it.each([
    '[',
    ']',
    '[]',
    '[::1',
    '::1',
    '[::1%eth0]',
    'a b',
    'a/b',
    'u@h',
    'h:x',
    'h:99999',
    'h:1:2',
    ':80',
    'é',
    'a%',
    '\0',
  ])('%j is refused', (host) => {
    expect(parse('/', [host])).toBe('MALFORMED_REQUEST');
  });

  it('may be left out, and may not come twice', () => {
    expect(parse('/', [])).toEqual(['/', '']);
    expect(parse('/', ['a', 'a'])).toBe('MALFORMED_REQUEST');
  });
});
