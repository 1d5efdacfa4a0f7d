import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { formatImageReference, parseImageReference } from '#common/image-reference.ts';
import { silentLogger } from '#common/log.ts';
import { unwrap } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { createPrivateImages } from '../../state/private-images.ts';
import type { ImagePull } from '../container-runtime.ts';
import { createEngineClient } from './engine-client.ts';
import { mirrored } from './mirror.ts';
import { pullImage } from './pull.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('an image of Docker Hub', () => {
  test.each([
    ['python:3.11-slim', 'mirror.example:5000/library/python:3.11-slim'],
    ['python', 'mirror.example:5000/library/python:latest'],
    ['team/bot:1', 'mirror.example:5000/team/bot:1'],
    ['docker.io/library/python:3.11', 'mirror.example:5000/library/python:3.11'],
    [`python@${digest}`, `mirror.example:5000/library/python@${digest}`],
  ])('%s is %s at the mirror', (reference, expected) => {
    const found = mirrored(unwrap(parseImageReference(reference)), 'mirror.example:5000');
    expect(found && formatImageReference(found)).toBe(expected);
  });

  test('lies below the prefix of the mirror', () => {
    const found = mirrored(unwrap(parseImageReference('python:3')), 'mirror.example/hub/proxy');
    expect(found && formatImageReference(found)).toBe('mirror.example/hub/proxy/library/python:3');
  });
});

test('an image of another registry has no mirror', () => {
  expect(mirrored(unwrap(parseImageReference('ghcr.io/team/bot:1')), 'mirror.example')).toBeUndefined();
});

describe('the engine is asked', () => {
  const asked: { readonly image: string | null; readonly auth: boolean }[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://engine');
    if (url.pathname.endsWith('/images/create')) {
      asked.push({ image: url.searchParams.get('fromImage'), auth: request.headers['x-registry-auth'] !== undefined });
    }
    const isVersion = url.pathname.endsWith('/version');
    response.writeHead(isVersion ? 200 : 404, { 'content-type': 'application/json' });
    response.end(isVersion ? '{"ApiVersion":"1.41","MinAPIVersion":"1.12"}' : '{"message":"unauthorized"}');
  });
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  const pull = (choice: Partial<ImagePull>) => {
    // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
    const { port } = server.address() as AddressInfo;
    const engine = createEngineClient(`tcp://127.0.0.1:${port}`);
    const deps = {
      engine,
      clock: systemClock,
      logger: silentLogger,
      mirror: 'mirror.example',
      privateImages: createPrivateImages({}, async () => {}),
    };
    const wanted = {
      userId: 'ann',
      reference: 'team/bot:1',
      credentials: undefined,
      pull: false,
      onOutput: () => {},
      ...choice,
    };
    return pullImage(deps, wanted, AbortSignal.timeout(10_000));
  };

  test('for the image at the mirror, and for the one at Docker Hub when the user has a password for that', async () => {
    const credentials = new Secret({ username: 'ann', password: 'hub-password' });
    await expect(pull({})).rejects.toMatchObject({
      problem: { code: 'IMAGE_PULL_FAILED', message: expect.stringContaining('mirror of Docker Hub refused') },
    });
    await expect(pull({ credentials })).rejects.toMatchObject({ problem: { code: 'REGISTRY_AUTH_FAILED' } });
    expect(asked).toEqual([
      { image: 'mirror.example/team/bot', auth: false },
      { image: 'team/bot', auth: true },
    ]);
  });
});
