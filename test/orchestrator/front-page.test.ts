/** What somebody sees who opens the orchestrator's address in a browser, asks it with curl, or tries what others have. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '#common/version.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator?.[Symbol.asyncDispose]());

const ask = (path: string, { accept = '*/*', method = 'GET' } = {}) =>
  fetch(`${orchestrator.url}${path}`, { method, headers: { accept } });

/** The whole answer to a request with that Host, which fetch would not send. */
async function askAs(host: string): Promise<string> {
  const socket = connect(orchestrator.port, '127.0.0.1');
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n`);
  return text(socket);
}

describe('the page at /', () => {
  it('tells curl in plain text what this is and how to connect', async () => {
    const answer = await ask('/');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
    const page = await answer.text();
    expect(page).toMatch(new RegExp(`^Bot Runner ${version}\n`));
    expect(page).toContain(`  export AVTOMATIKA_URL=${orchestrator.url}\n`);
    expect(page).toContain('  avtomatika-bot list\n');
    expect(page).not.toContain('<');
  });

  it('hostile 95: is a page that runs nothing, loads nothing and is framed nowhere for a browser', async () => {
    const answer = await ask('/', { accept: browser });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; style-src 'sha256-[\w+/=]{44}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      ),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
      vary: 'accept',
    });
    const page = await answer.text();
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain(`<h1>Bot Runner ${version}</h1>`);
    expect(page).toContain(`export AVTOMATIKA_URL=${orchestrator.url}`);
    expect(page).not.toMatch(/<script|http-equiv|src=|test-\w+-token/);
  });

  it('answers HEAD as GET, without a body', async () => {
    for (const accept of ['*/*', browser]) {
      const [head, get] = [await ask('/', { method: 'HEAD', accept }), await ask('/', { accept })];
      const length = `${Buffer.byteLength(await get.text())}`;
      expect([head.status, head.headers.get('content-type'), head.headers.get('content-length')]).toEqual([
        200,
        get.headers.get('content-type'),
        length,
      ]);
      expect(await head.text()).toBe('');
    }
  });

  it.each([
    'x"><script>alert(1)</script>',
    "a'b",
    'a&b',
    'evil.example;x',
    '$(reboot)',
    '`id`',
    'user@host',
    '[',
    'a b',
  ])('repeats no host that is not a plain name: %j', async (host) => {
    const answer = await askAs(host);
    expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /);
    expect(answer).not.toContain(`//${host}`);
    if (/[<"&$`@]/.test(host)) expect(answer).not.toContain(host);
  });

  it('is there over HTTP/2, too, with the address of the request', async () => {
    const session = http2.connect(orchestrator.url);
    const stream = session.request({ ':path': '/', accept: browser, ':authority': 'bots.example.org' });
    const [head] = await once(stream, 'response');
    expect([head[':status'], head['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await text(stream)).toContain('AVTOMATIKA_URL=http://bots.example.org\n');
    session.close();
  });

  it('repeats a plain name, also of a proxy that has encrypted the way', async () => {
    expect(await askAs('bots.example.org:8443')).toContain('export AVTOMATIKA_URL=http://bots.example.org:8443');
    expect(await askAs('[::1]:8000\r\nX-Forwarded-Proto: https')).toContain('AVTOMATIKA_URL=https://[::1]:8000');
  });
});

describe('a path that others have', () => {
  it.each([
    ['/health', { status: 'ok' }],
    ['/health/', { status: 'ok' }],
    ['/healthz', { status: 'ok' }],
    ['/livez', { status: 'ok' }],
    ['/readyz', { status: 'ok' }],
    ['/version', { name: 'bot-runner', version }],
  ])('%s answers', async (path, body) => {
    const answer = await ask(path);
    expect([answer.status, await answer.json()]).toEqual([200, body]);
    const head = await ask(path, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('/robots.txt keeps search engines out, /favicon.ico is none', async () => {
    expect(await (await ask('/robots.txt')).text()).toBe('User-agent: *\nDisallow: /\n');
    const icon = await ask('/favicon.ico');
    expect([icon.status, await icon.text()]).toEqual([204, '']);
  });

  it.each([
    ['/metrics', 'There are no metrics here yet.', 'curl http://localhost:8000/health'],
    ['/dashboard', 'There is no dashboard here yet.', 'avtomatika-bot list'],
    ['/index.html', 'There is no dashboard here yet.', 'avtomatika-bot list'],
    ['/docs', 'The documentation is not served here.', 'curl http://localhost:8000/'],
    ['/openapi.json', 'The documentation is not served here.', 'curl http://localhost:8000/'],
    ['/status', 'The health of the orchestrator is at another path.', 'curl http://localhost:8000/health'],
    ['/bots', 'Bots have no path of their own.', expect.stringContaining('/jobs')],
    ['/api', 'There is no such route in the API.', expect.stringContaining('/jobs')],
    ['/API/v1/bots', 'There is no such route in the API.', expect.stringContaining('/jobs')],
    ['/event', 'The events are at another path.', expect.stringContaining('/events')],
    ['/workers', 'There is no such route for workers.', 'avtomatika-bot worker list'],
    ['/wp-login.php?x=<script>', 'There is nothing at this path.', 'curl http://localhost:8000/'],
    [`/${'a'.repeat(4000)}`, 'There is nothing at this path.', 'curl http://localhost:8000/'],
    ['/%00%ff', 'There is nothing at this path.', 'curl http://localhost:8000/'],
  ])('%s says what there is instead', async (path, message, example) => {
    const answer = await ask(path);
    const { error } = (await answer.json()) as { error: Record<string, unknown> };
    expect([answer.status, error['code'], error['message'], error['example']]).toEqual([
      404,
      'ROUTE_NOT_FOUND',
      message,
      example,
    ]);
    expect(error['hint']).toMatch(/GET \/|docs\/|command line/);
    const head = await ask(path, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([404, '']);
  });

  it('hostile 95: is a page for a browser, which repeats nothing of the path', async () => {
    const answer = await ask('/metrics<b>', { accept: browser });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    const page = await answer.text();
    expect(page).toContain('<p>There is nothing at this path.</p>');
    expect(page).not.toMatch(/metrics|<b>/);
  });

  it.each([
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/health', 'GET, HEAD'],
    ['GET', '/jobs', 'POST'],
    ['GET', '/jobs/', 'POST'],
    ['PUT', '/jobs/x', 'GET, HEAD'],
    ['HEAD', '/events', 'GET'],
  ])('%s %s names the methods that it takes', async (method, path, allow) => {
    const answer = await ask(path, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
    if (method === 'HEAD') return;
    const { error } = (await answer.json()) as { error: Record<string, unknown> };
    expect(error).toMatchObject({ code: 'METHOD_NOT_ALLOWED', hint: `Use ${allow}; see docs/REST.md.` });
  });
});
