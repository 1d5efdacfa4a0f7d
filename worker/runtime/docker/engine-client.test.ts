import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/kit/eventually.ts';
import { EngineUnavailableError } from '../container-runtime.ts';
import { parseDockerHost } from './docker-host.ts';
import { createEngineClient, negotiate } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

let dir: string;
let server: Server | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'engine-client-'));
});
afterEach(async () => {
  server?.close();
  server?.closeAllConnections();
  server = undefined;
  await rm(dir, { recursive: true, force: true });
});

/** An engine that answers /version itself, and leaves the rest to `answer`. */
async function engineWith(answer: RequestListener, version: object = { ApiVersion: '1.45', MinAPIVersion: '1.24' }) {
  const socket = join(dir, 'engine.sock');
  server = createServer((request, response) => {
    if (request.url?.startsWith('/version')) response.end(JSON.stringify(version));
    else answer(request, response);
  });
  server.listen(socket);
  await once(server, 'listening');
  return createEngineClient(`unix://${socket}`);
}

const soon = () => AbortSignal.timeout(10_000);
const failureOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describe('a call to the engine', () => {
  test('speaks the largest version that both sides know, with its parameters', async () => {
    const seen: string[] = [];
    const client = await engineWith((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.end('{"Id":"x"}');
    });
    const query = { all: true, filters: { label: ['a=b'] }, absent: undefined };
    expect(await client.call({ method: 'GET', path: '/containers/json', query }, soon())).toEqual({ Id: 'x' });
    await client.call(
      { method: 'POST', path: '/containers/create', query: { name: 'n' }, body: { Image: 'i' } },
      soon(),
    );
    expect(seen).toEqual([
      `GET /v1.45/containers/json?all=true&filters=${encodeURIComponent('{"label":["a=b"]}')}`,
      'POST /v1.45/containers/create?name=n',
    ]);
  });

  test('that is refused gives the status, and keeps the words of the engine out of its message', async () => {
    const client = await engineWith((_request, response) => {
      response.writeHead(409).end('{"message":"canary"}');
    });
    const error = await failureOf(client.call({ method: 'POST', path: '/containers/x/start' }, soon()));
    expect(error).toBeInstanceOf(EngineRefusal);
    expect(error).toMatchObject({ status: 409, text: 'canary' });
    expect(String(error)).not.toContain('canary');
  });

  test('that asks for what is so already is done', async () => {
    const client = await engineWith((_request, response) => response.writeHead(304).end());
    expect(await client.call({ method: 'POST', path: '/containers/x/start' }, soon())).toBeNull();
  });

  test('without an engine fails at once', async () => {
    const client = createEngineClient(`unix://${join(dir, 'absent.sock')}`);
    const error = await failureOf(client.call({ method: 'GET', path: '/info' }, soon()));
    expect(error).toBeInstanceOf(EngineUnavailableError);
    expect(error).toMatchObject({ message: expect.stringContaining('ENOENT') });
  });

  test.each<[string, RequestListener]>([
    ['never answers', () => {}],
    [
      'breaks off in its answer',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"a"', () => response.destroy());
      },
    ],
  ])('ends when the engine %s', async (_title, answer) => {
    const client = await engineWith(answer);
    const error = await failureOf(client.call({ method: 'GET', path: '/info', timeoutMs: 300 }, soon()));
    expect(error).toBeInstanceOf(EngineUnavailableError);
  });

  test('ends with the reason when it is aborted', async () => {
    const client = await engineWith(() => abort.abort(new Error('enough')));
    const abort = new AbortController();
    const error = await failureOf(client.call({ method: 'GET', path: '/info' }, abort.signal));
    expect(error).toMatchObject({ message: 'enough' });
  });

  test('goes through while many streams are open', async () => {
    const client = await engineWith((request, response) => {
      if (request.url?.includes('/logs')) response.writeHead(200).write('x');
      else response.end('{}');
    });
    const abort = new AbortController();
    const streams = await Promise.all(
      Array.from({ length: 30 }, () => client.stream({ method: 'GET', path: '/containers/x/logs' }, abort.signal)),
    );
    expect(await client.call({ method: 'GET', path: '/info' }, soon())).toEqual({});
    abort.abort();
    for (const stream of streams) stream.destroy();
  });

  test('to an engine that is too old or too new says so with the cure', async () => {
    for (const version of [
      { ApiVersion: '1.40', MinAPIVersion: '1.12' },
      { ApiVersion: '1.99', MinAPIVersion: '1.90' },
    ]) {
      const client = await engineWith(() => {}, version);
      const error = await failureOf(client.call({ method: 'GET', path: '/info' }, soon()));
      expect(error).toMatchObject({ problem: { code: 'CONTAINER_ERROR', hint: expect.stringContaining('20.10') } });
      server?.close();
      server?.closeAllConnections();
      await rm(join(dir, 'engine.sock'), { force: true });
    }
  });

  test('asks for the version again after the engine was away', async () => {
    const socket = join(dir, 'engine.sock');
    const first = await engineWith((_request, response) => response.destroy());
    expect(await failureOf(first.call({ method: 'GET', path: '/info' }, soon()))).toBeInstanceOf(
      EngineUnavailableError,
    );
    server?.close();
    server?.closeAllConnections();
    await rm(socket, { force: true });
    const seen: string[] = [];
    await engineWith(
      (request, response) => {
        seen.push(request.url ?? '');
        response.end('{}');
      },
      { ApiVersion: '1.41', MinAPIVersion: '1.12' },
    );
    await first.call({ method: 'GET', path: '/info' }, soon());
    expect(seen).toEqual(['/v1.41/info']);
  });
});

describe('a raw stream from the engine', () => {
  const logs = { method: 'GET', path: '/containers/x/logs', raw: true } as const;
  const textOf = async (answer: AsyncIterable<Buffer>) => {
    let text = '';
    for await (const piece of answer) text += piece.toString();
    return text;
  };

  test('has what came in chunks, and the parameters of the call', async () => {
    const seen: string[] = [];
    const client = await engineWith(async (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      for (let n = 0; n < 3000; n += 1) response.write(`line ${n} ${'.'.repeat(n % 300)}\n`);
      response.end();
    });
    const query = { stdout: true, since: '1.5', absent: undefined };
    const text = await textOf(await client.stream({ ...logs, query }, soon()));
    expect(text.split('\n').map((line) => line.split(' ')[1])).toEqual([
      ...Array.from({ length: 3000 }, (_, n) => String(n)),
      undefined,
    ]);
    expect(seen).toEqual(['GET /v1.45/containers/x/logs?stdout=true&since=1.5']);
  });

  test('does not read ahead of a reader that is slow', async () => {
    let written = 0;
    const client = await engineWith((_request, response) => {
      const more = () => {
        do written += 64 * 1024;
        while (response.write(Buffer.alloc(64 * 1024)) && written < 64 * 1024 * 1024);
        response.once('drain', more);
      };
      more();
    });
    const answer = await client.stream(logs, soon());
    let before = -1;
    const standsStill = () => {
      const isSame = before === written;
      before = written;
      return isSame;
    };
    await eventually('the engine waits', () => written, standsStill, { everyMs: 100 });
    expect(written).toBeLessThan(4 * 1024 * 1024);
    answer.destroy();
  });

  test('is refused with the status and the words of the engine', async () => {
    const client = await engineWith((_request, response) => {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"canary"}\n');
    });
    const error = await failureOf(client.stream(logs, soon()));
    expect(error).toMatchObject({ name: 'EngineRefusal', status: 404, text: 'canary' });
    expect(String(error)).not.toContain('canary');
  });

  test.each<[string, RequestListener]>([
    ['closes the connection instead of answering', (_request, response) => response.destroy()],
    ['says nothing that can be understood', ({ socket }) => socket.end('SSH-2.0\r\n\r\n')],
  ])('fails when the engine %s', async (_title, answer) => {
    const client = await engineWith(answer);
    expect(await failureOf(client.stream(logs, soon()))).toBeInstanceOf(EngineUnavailableError);
  });

  test('that is cut off does not end as if it were whole', async () => {
    const client = await engineWith((_request, response) => {
      response.write('a line\n', () => response.destroy());
    });
    const answer = await client.stream(logs, soon());
    expect(await failureOf(textOf(answer))).toBeInstanceOf(Error);
  });

  test('ends with its signal, before and after the head of the answer', async () => {
    const client = await engineWith((request, response) => {
      if (!request.url?.includes('silent')) response.write('a line\n');
    });
    for (const query of [{ silent: true }, {}]) {
      const abort = new AbortController();
      const opening = failureOf(client.stream({ ...logs, query }, abort.signal).then(textOf));
      setTimeout(() => abort.abort(new Error('enough')), 50);
      expect(await opening).toMatchObject({ message: 'enough' });
    }
    expect(await eventuallyNone()).toBe(0);
  });

  /** Resolves when the engine has no connection left. */
  const eventuallyNone = () =>
    eventually(
      'all connections are closed',
      () => new Promise<number>((resolve) => server?.getConnections((_error, count) => resolve(count))),
      (count) => count === 0,
    );
});

describe('versions of the API', () => {
  test.each([
    ['1.12', '1.41', '1.41'],
    ['1.24', '1.45', '1.45'],
    ['1.44', '1.60', '1.51'],
    ['1.12', '1.40', undefined],
    ['1.52', '1.60', undefined],
    ['', '', undefined],
  ])('%s to %s of the engine give %s', (least, most, chosen) => {
    expect(negotiate(least, most)).toBe(chosen);
  });
});

describe('DOCKER_HOST', () => {
  test.each([
    ['unix:///run/user/1000/docker.sock', { socketPath: '/run/user/1000/docker.sock' }],
    ['tcp://127.0.0.1:2375', { host: '127.0.0.1', port: 2375 }],
    ['tcp://[::1]:2375', { host: '::1', port: 2375 }],
  ])('%s is understood', (address, expected) => {
    expect(parseDockerHost(address)).toEqual(expected);
  });

  test.each(['', 'unix://docker.sock', 'tcp://10.0.0.1:2375', 'tcp://127.0.0.1', 'ssh://host', '/var/run/docker.sock'])(
    'hostile 109: %j is refused',
    (address) => {
      expect(parseDockerHost(address)).toBeUndefined();
    },
  );
});
