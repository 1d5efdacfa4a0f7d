import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeCommand, probeOutcomes } from './probe-program.ts';

const programs = { python: 'python3', node: process.execPath };

describe.each(['python', 'node'] as const)('the probe in %s', (language) => {
  const server = createServer((socket) => socket.end());
  const closed = createServer();
  beforeAll(async () => {
    for (const one of [server, closed]) {
      one.listen(0, '127.0.0.1');
      await once(one, 'listening');
    }
  });
  afterAll(() => server.close());

  it('counts a closed port as reached, since the host has answered', async ({ skip }) => {
    const [, ...args] = probeCommand(language, {});
    const found = await promisify(execFile)(programs[language], ['--version']).catch(() => undefined);
    if (found === undefined) skip(`there is no ${language}`);
    const { port } = server.address() as AddressInfo;
    const { port: free } = closed.address() as AddressInfo;
    closed.close();
    const places = [`open=127.0.0.1:${port}`, `nobody=127.0.0.1:${free}`];
    const { stdout } = await promisify(execFile)(programs[language], [...args, ...places]);
    expect(probeOutcomes(stdout)).toEqual(
      new Map([
        ['open', 'reached'],
        ['nobody', 'reached'],
      ]),
    );
  });
});

it('only whole lines of the program are read', () => {
  expect(probeOutcomes('a reached\nb refused or so\n c silent\nd silent\nd x\n')).toEqual(
    new Map([
      ['a', 'reached'],
      ['d', 'silent'],
    ]),
  );
});
