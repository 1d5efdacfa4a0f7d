import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { findEngine } from './find-engine.ts';

/** An engine that only knows its bridge network. */
async function withEngine(gateway: string, use: (dockerHost: string) => Promise<void>): Promise<void> {
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ Name: 'bridge', IPAM: { Config: [{ Subnet: '127.0.0.0/8', Gateway: gateway }] } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('findEngine', () => {
  it('says that it was told to use none', async () => {
    expect(await findEngine({ BOTRUNNER_TEST_NO_DOCKER: '1' })).toEqual({
      skip: 'BOTRUNNER_TEST_NO_DOCKER=1 is set',
    });
  });

  it('uses the engine it is given, and the gateway of its bridge as address of this machine', () =>
    withEngine('127.0.0.1', async (dockerHost) => {
      const engine = await findEngine({ BOTRUNNER_TEST_DOCKER_HOST: dockerHost });
      expect(engine).toMatchObject({ dockerHost, hostAddress: '127.0.0.1', packages: undefined });
    }));

  it('says why it cannot use an engine whose bridge is on another machine', () =>
    withEngine('192.0.2.77', async (dockerHost) => {
      const engine = await findEngine({ BOTRUNNER_TEST_DOCKER_HOST: dockerHost });
      expect(engine).toEqual({
        skip: `the engine of BOTRUNNER_TEST_DOCKER_HOST=${dockerHost} has no bridge on this machine (gateway 192.0.2.77)`,
      });
    }));

  it('says in one line that the engine it was given does not answer', async () => {
    const engine = await findEngine({ BOTRUNNER_TEST_DOCKER_HOST: 'unix:///no/such/docker.sock' });
    expect(engine).toMatchObject({ skip: expect.stringMatching(/^[^\n]*does not answer: [^\n]*ENOENT[^\n]*$/) });
  });

  it('names what a machine lacks for a private engine', async () => {
    const engine = await findEngine({ PATH: '/no/such/folder' });
    expect(engine).toMatchObject({ skip: expect.stringContaining('a private Docker engine needs') });
  });
});
