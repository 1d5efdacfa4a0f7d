import { describe, expect, test } from 'vitest';
import { pullFailureKind } from './pull-failure.ts';
import { createPullReport } from './pull-output.ts';

const reportOf = (entries: readonly object[]) => {
  const lines: string[] = [];
  const report = createPullReport((line) => lines.push(line));
  const bytes = Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\r\n`).join(''));
  for (let at = 0; at < bytes.length; at += 7) report.push(bytes.subarray(at, at + 7));
  report.end();
  return { lines, error: report.error() };
};

describe('the report of a pull', () => {
  test('reports many layers in few lines', () => {
    const ids = Array.from({ length: 50 }, (_, index) => index.toString(16).padStart(12, '0'));
    const { lines, error } = reportOf([
      { status: 'Pulling from team/bot', id: '1' },
      ...ids.map((id) => ({ status: 'Pulling fs layer', id })),
      ...ids.flatMap((id) => [
        ...Array.from({ length: 20 }, () => ({ status: 'Downloading', progress: '[=> ]', id })),
        { status: 'Pull complete', id },
      ]),
      { status: 'Digest: sha256:00' },
    ]);
    expect(error).toBeUndefined();
    expect(lines[0]).toBe('Pulling from team/bot');
    expect(lines.at(-2)).toBe('layers: 50 of 50');
    expect(lines).toHaveLength(12);
  });

  test('keeps the words of a failure', () => {
    expect(reportOf([{ errorDetail: { message: 'broken' }, error: 'broken' }])).toEqual({ lines: [], error: 'broken' });
  });
});

describe('the words of a failed pull', () => {
  test.each([
    ['Get "https://r/v2/": unauthorized: authentication required', 'auth'],
    ['Head "http://r/v2/a/manifests/1": no basic auth credentials', 'auth'],
    ['unauthorized: incorrect username or password', 'auth'],
    ['manifest for r/a:1 not found: manifest unknown: manifest unknown', 'absent'],
    ["pull access denied for a, repository does not exist or may require 'docker login': denied: requested", 'absent'],
    ['Get "https://r/v2/": dial tcp: lookup r on 1.1.1.1:53: no such host', 'unreachable'],
    ['Get "http://r/v2/": dial tcp 10.0.0.1:5000: connect: connection refused', 'unreachable'],
    ['no matching manifest for linux/arm64 in the manifest list entries', 'platform'],
    ['write /var/lib/docker/tmp/x: no space left on device', 'disk'],
    ['filesystem layer verification failed for digest sha256:00', 'other'],
  ])('%j mean %s', (words, kind) => {
    expect(pullFailureKind(words)).toBe(kind);
  });
});
