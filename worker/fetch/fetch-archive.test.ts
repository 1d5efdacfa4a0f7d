import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { defaultArchiveLimits, fetchArchive } from './fetch-archive.ts';
import type { FetchParts } from './fetched.ts';

describe('an archive as a source', () => {
  let dir: string;
  let server: Server;
  let place: string;
  let parts: FetchParts;
  const requests: string[] = [];
  const answers: Record<string, RequestListener> = {
    '/bot.tar': (_, response) => response.end('the archive'),
    '/once': (_, response) => response.writeHead(302, { location: '/bot.tar' }).end(),
    '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
    '/inside': (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/canary' }).end(),
    '/file': (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/absent': (_, response) => response.writeHead(404).end('canary of the body'),
    '/part': (_, response) => response.writeHead(206).end('x'),
    '/page': (_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=x' }).end('<canary>'),
    '/packed': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    '/large': (_, response) => response.writeHead(200, { 'content-length': '999999999' }).write('x'),
    '/endless': (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    },
    '/silent': () => {},
    '/stalls': (_, response) => void response.write('x'),
    '/short': (_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('x', () => response.destroy());
    },
  };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fetch-archive-'));
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      (answers[request.url ?? ''] ?? ((_, other) => other.writeHead(500).end()))(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A TCP server that listens has an AddressInfo.
    place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    parts = { dir, allow: [place], clock: systemClock };
  });
  afterAll(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    await rm(dir, { recursive: true });
  });

  const limits = { ...defaultArchiveLimits, maxBytes: 1_000_000, idleMs: 300, totalMs: 5000 };
  const fetch = (url: string, own: Partial<FetchParts> = {}) =>
    fetchArchive({ ...parts, ...own }, url, AbortSignal.timeout(20_000), limits);

  test('is downloaded, also after a redirect, and gone when released', async () => {
    for (const path of ['/bot.tar', '/once']) {
      const fetched = await fetch(`http://${place}${path}`);
      expect(await readFile(fetched.path, 'utf8')).toBe('the archive');
      await fetched.release();
    }
    expect(await readdir(dir)).toEqual([]);
  });

  test.each([
    ['/loop', 'FETCH_FAILED'],
    ['/inside', 'FORBIDDEN_URL'],
    ['/file', 'FETCH_FAILED'],
    ['/absent', 'FETCH_FAILED'],
    ['/part', 'FETCH_FAILED'],
    ['/page', 'FETCH_FAILED'],
    ['/packed', 'FETCH_FAILED'],
    ['/large', 'ARCHIVE_TOO_LARGE'],
    ['/endless', 'ARCHIVE_TOO_LARGE'],
    ['/silent', 'FETCH_FAILED'],
    ['/stalls', 'FETCH_FAILED'],
    ['/short', 'FETCH_FAILED'],
  ])(
    'hostile 55, 56: from %s is refused with %s, with nothing of the answer, and leaves nothing',
    async (path, code) => {
      const error = await fetch(`http://${place}${path}`).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ problem: { code } });
      expect(JSON.stringify(error)).not.toContain('canary');
      expect(await readdir(dir)).toEqual([]);
    },
  );

  test('hostile 57: is connected to at the judged address with its own name, and never by a proxy', async () => {
    const named = `files.invalid:${place.split(':')[1]}`;
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }];
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
    try {
      const fetched = await fetch(`http://${named}/bot.tar`, { allow: [named], resolve });
      await fetched.release();
    } finally {
      delete process.env['HTTP_PROXY'];
    }
  });

  test('hostile 53: is refused before anything is sent when an address of its name is forbidden', async () => {
    requests.length = 0;
    const port = place.split(':')[1];
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }];
    await expect(fetch(`http://files.example.org:${port}/bot.tar`, { resolve })).rejects.toMatchObject({
      problem: { code: 'FORBIDDEN_URL' },
    });
    await expect(fetch(`http://127.1:${port}/bot.tar`, { allow: [] })).rejects.toMatchObject({
      problem: { code: 'FORBIDDEN_URL' },
    });
    expect(requests).toEqual([]);
  });
});
