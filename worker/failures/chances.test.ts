import { describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { pullChance } from '../runtime/docker/pull-failure.ts';
import { asFailure, type Chance, chanceOfConnection, chanceOfGit, chanceOfPull, chanceOfStatus } from './chances.ts';
import { isMachineFailure, transientSystemFailure } from './system-failures.ts';
import { explainTransient, isTransient, TransientProblemError } from './transient.ts';

const last = problem('FETCH_FAILED', 'The server broke off.');

describe('whether a failure is transient', () => {
  it.each<[string, Chance]>([
    ['ECONNRESET', 'again'],
    ['EPIPE', 'again'],
    ['ETIMEDOUT', 'again'],
    ['EHOSTUNREACH', 'again'],
    ['EAI_AGAIN', 'again'],
    ['', 'again'],
    ['ECONNREFUSED', 'briefly'],
    ['ENOTFOUND', 'final'],
    ['CERT_HAS_EXPIRED', 'final'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'final'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'final'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'final'],
    ['EPROTO', 'final'],
  ])('of a connection: %s %s', (code, chance) => {
    expect(chanceOfConnection(code)).toBe(chance);
  });

  it.each<[number, Chance]>([
    [400, 'final'],
    [401, 'final'],
    [404, 'final'],
    [408, 'again'],
    [410, 'final'],
    [429, 'again'],
    [500, 'again'],
    [502, 'again'],
    [503, 'again'],
    [504, 'again'],
  ])('of an answer: %i %s', (status, chance) => {
    expect(chanceOfStatus(status)).toBe(chance);
  });

  it.each<[string, Chance]>([
    ['fatal: unable to access: The requested URL returned error: 503', 'again'],
    ['fatal: unable to access: The requested URL returned error: 429', 'again'],
    ['fatal: unable to access: Recv failure: Connection reset by peer', 'again'],
    ['error: RPC failed; curl 56 GnuTLS recv error (-54): Error in the pull function.', 'again'],
    ['fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF', 'again'],
    ['fatal: the remote end hung up unexpectedly', 'again'],
    ['fatal: unable to access: Operation timed out after 300 ms', 'again'],
    ['fatal: unable to access: Empty reply from server', 'again'],
    ['fatal: unable to access: HTTP/2 stream 1 was not closed cleanly: INTERNAL_ERROR (err 2)', 'again'],
    ['fatal: unable to access: Failed to connect to h port 1 after 0 ms: Connection refused', 'briefly'],
    ["fatal: unable to access: Couldn't connect to server", 'briefly'],
    ["fatal: repository 'http://h/x/' not found", 'final'],
    ['fatal: Authentication failed for http://h/x', 'final'],
    ['fatal: unable to access: The requested URL returned error: 403', 'final'],
    ['fatal: unable to access: SSL certificate problem: self-signed certificate', 'final'],
    ['fatal: unable to access: server certificate verification failed', 'final'],
    ["fatal: transport 'file' not allowed", 'final'],
    ['something that git never said before', 'final'],
  ])('of git: %s: %s', (stderr, chance) => {
    expect(chanceOfGit(stderr)).toBe(chance);
  });

  it.each<[string, Chance]>([
    ['Get "https://r/v2/": read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer', 'again'],
    ['Get "https://r/v2/": EOF', 'again'],
    ['unexpected EOF', 'again'],
    ['Get "https://r/v2/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)', 'again'],
    ['Get "https://r/v2/": context deadline exceeded', 'again'],
    ['Get "https://r/v2/": dial tcp: lookup r on 1.1.1.1:53: server misbehaving', 'again'],
    ['Get "https://r/v2/": dial tcp: lookup r: Temporary failure in name resolution', 'again'],
    ['received unexpected HTTP status: 503 Service Unavailable', 'again'],
    ['error parsing HTTP 502 response body: invalid character: 502 Bad Gateway', 'again'],
    ['unexpected status from HEAD request to https://r/v2/x: 500 Internal Server Error', 'again'],
    ['toomanyrequests: You have reached your pull rate limit', 'again'],
    ['filesystem layer verification failed for digest sha256:0', 'again'],
    ['failed to copy: httpReadSeeker: failed open: unexpected status code https://r/v2/x: 503', 'again'],
    ['Get "http://r:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', 'briefly'],
    ['Get "https://r/v2/": dial tcp: lookup r: no such host', 'final'],
    ['Get "https://r/v2/": x509: certificate signed by unknown authority', 'final'],
    ['Get "https://r/v2/": http: server gave HTTP response to HTTPS client', 'final'],
    ['manifest for r/x:500 not found: manifest unknown', 'final'],
    ['pull access denied for x, repository does not exist', 'final'],
    ['unauthorized: authentication required', 'final'],
    ['no space left on device', 'final'],
  ])('of a pull: %s: %s', (words, chance) => {
    expect(chanceOfPull(words)).toBe(chance);
  });

  it('of this machine: by the code of the system, and a bug of ours never', () => {
    const error = (code?: string) => Object.assign(new Error('x'), code === undefined ? {} : { code });
    const passing = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EROFS', 'EIO'];
    for (const code of passing) expect([code, isMachineFailure(code)]).toEqual([code, true]);
    expect(transientSystemFailure(error('ENOSPC'))).toBe('the disk of the worker is full');
    expect(transientSystemFailure(error('ECONNRESET'))).toBe('a connection of the worker was cut');
    expect(transientSystemFailure(error('ERR_STREAM_PREMATURE_CLOSE'))).toBe('a connection of the worker was cut');
    expect(isTransient(error('EAI_AGAIN'))).toBe(true);
    for (const code of [undefined, 'ENOENT', 'EACCES', 'ERR_INVALID_ARG_TYPE', 'ERR_ASSERTION']) {
      expect([code, isTransient(error(code))]).toEqual([code, false]);
    }
    expect(isTransient(new TypeError('x is undefined'))).toBe(false);
  });

  it('makes an error that says how long it is worth trying', () => {
    const final = asFailure(last, 'final');
    expect(final).toBeInstanceOf(ProblemError);
    expect(isTransient(final)).toBe(false);
    const again = asFailure(last, 'again');
    expect(again).toBeInstanceOf(TransientProblemError);
    expect(isTransient(again)).toBe(true);
    expect(explainTransient(again)).toBe('the server broke off');
    expect(again).toMatchObject({ problem: last, triesMax: Number.POSITIVE_INFINITY });
    expect(asFailure(last, 'briefly')).toMatchObject({ triesMax: 4 });
  });
});

it('an answer of a registry is final, whatever else its words hold', () => {
  for (const words of [
    'unauthorized: try again',
    'denied: requested access is denied; try again',
    'manifest unknown',
  ]) {
    expect([words, pullChance(words)]).toEqual([words, 'final']);
  }
  expect(pullChance('unexpected EOF')).toBe('again');
});
