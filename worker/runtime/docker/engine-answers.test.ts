import { describe, expect, test } from 'vitest';
import { Secret } from '#common/secret.ts';
import { signedLabels } from '../labels.ts';
import { noneTaken } from '../strays.ts';
import { createBuildReport } from './build-answer.ts';
import { containerFacts } from './container-facts.ts';
import { EngineRefusal } from './engine-errors.ts';
import { parseEvent } from './events.ts';
import { refusalMessage } from './refusal-message.ts';

const signingKey = new Secret<Uint8Array>(new Uint8Array(32).fill(1));
const owner = { workerId: 'w1', signingKey, taken: noneTaken('w1') };
const identity = {
  key: { userId: 'dev', botId: 'echo' },
  workerId: 'w1',
  revision: 2n,
  epoch: 1n,
  startedAt: '2026-01-01T00:00:00.000Z',
};
const labels = signedLabels(owner.signingKey, 'bot_x', identity);

describe("the engine's answer about a container", () => {
  const answer = (State: object, Labels: object = labels) => ({
    Id: 'abc',
    Name: '/bot_x',
    Config: { Image: 'i:g2', Labels },
    State,
  });
  const never = '0001-01-01T00:00:00Z';

  test.each([
    [
      { Status: 'created', StartedAt: never, FinishedAt: never, ExitCode: 127 },
      { status: 'created', exitCode: undefined },
    ],
    [
      { Status: 'running', StartedAt: '2026-01-02T03:04:05.5Z', FinishedAt: '2026-01-01T00:00:00Z', ExitCode: 0 },
      { status: 'running', startedAtMs: 1767323045500, finishedAtMs: undefined, exitCode: undefined },
    ],
    [{ Status: 'paused' }, { status: 'running' }],
    [
      { Status: 'dead', ExitCode: 1 },
      { status: 'exited', exitCode: 1 },
    ],
    [
      { Status: 'exited', ExitCode: 137, OOMKilled: true },
      { exitCode: 137, oomKilled: true },
    ],
    [
      { Status: 'exited', ExitCode: 5, OOMKilled: true },
      { exitCode: 5, oomKilled: false },
    ],
  ])('%j is read as %j', (state, expected) => {
    expect(containerFacts(answer(state), owner)).toMatchObject({
      id: 'abc',
      name: 'bot_x',
      ...expected,
    });
  });

  test.each<[string, object, object]>([
    [
      'of a bot as most are',
      { Config: { User: '10001:10001' }, HostConfig: { ReadonlyRootfs: false, Runtime: 'runc' } },
      { readOnly: false, runtimeClass: 'runc', user: '10001:10001' },
    ],
    [
      'of a read-only one in a sandbox',
      { Config: { User: 'app' }, HostConfig: { ReadonlyRootfs: true, Runtime: 'runsc' } },
      { readOnly: true, runtimeClass: 'runsc', user: 'app' },
    ],
    [
      'of Podman, which has the name of the runtime elsewhere',
      { Config: { User: '0:0' }, HostConfig: { ReadonlyRootfs: true, Runtime: 'oci' }, OCIRuntime: 'crun' },
      { readOnly: true, runtimeClass: 'crun', user: 'root' },
    ],
    [
      'of an engine that says nothing of it',
      { Config: {}, HostConfig: null },
      { readOnly: false, runtimeClass: '', user: 'root' },
    ],
    [
      'with names that are too long',
      { Config: { User: 'u'.repeat(60_000) }, HostConfig: { Runtime: 'r'.repeat(60_000) } },
      { readOnly: false, runtimeClass: 'r'.repeat(128), user: 'u'.repeat(128) },
    ],
  ])('shows what protects others: %s', (_title, { Config, ...more }: { Config?: object }, protection) => {
    const seen = { ...answer({ Status: 'running' }), ...more, Config: { ...Config, Labels: labels } };
    expect(containerFacts(seen, owner)?.protection).toEqual(protection);
  });

  test('is nothing to us without our signature, or when it has no sense', () => {
    expect(containerFacts(answer({ Status: 'running' }, { ...labels, generation: '3' }), owner)).toBeUndefined();
    for (const odd of [null, [], 'text', {}, { Config: 7 }]) expect(containerFacts(odd, owner)).toBeUndefined();
  });
});

describe('an event', () => {
  const event = (Action: string, Attributes: object) => JSON.stringify({ Action, Actor: { ID: 'abc', Attributes } });

  test.each([
    ['start', 'started'],
    ['die', 'ended'],
    ['died', 'ended'],
    ['oom', 'oom'],
  ])('%s of an own container is reported as %s', (action, kind) => {
    expect(parseEvent(event(action, { ...labels, name: 'bot_x' }), owner)).toEqual({ containerId: 'abc', kind });
  });

  test.each([
    event('kill', { ...labels, name: 'bot_x' }),
    event('toString', { ...labels, name: 'bot_x' }),
    event('start', { ...labels, name: 'bot_y' }),
    event('start', { bot_runner: 'true', worker_id: 'w1', name: 'bot_x' }),
    '{"Action":"start"}',
    '{"Action":"sta',
    'null',
  ])('that says nothing to us is left out: %s', (line) => {
    expect(parseEvent(line, owner)).toBeUndefined();
  });
});

describe('the report of a build', () => {
  const read = (text: string, piece: number) => {
    const lines: string[] = [];
    const report = createBuildReport((line) => lines.push(line));
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += piece) report.push(bytes.subarray(at, at + piece));
    report.end();
    return { lines, error: report.error(), hasBase: report.hasBase() };
  };
  const objects = (...entries: readonly object[]) => entries.map((entry) => `${JSON.stringify(entry)}\r\n`).join('');

  test.each([1, 7, 10_000])(
    'is the same in pieces of %i bytes, and leaves out what only the engine cares for',
    (piece) => {
      const text = objects(
        { stream: 'Step 1/9 : ARG BASE_IMAGE' },
        { stream: '\n' },
        { stream: 'Step 2/9 : FROM ${BASE_IMAGE}\n' },
        { stream: ' ---\u003e 3349e1c1d858\n' },
        { stream: 'Step 3/9 : ARG BOT_SCOPE\n' },
        { stream: ' ---\u003e Running in 57068083a966\n' },
        { stream: 'Removing intermediate container 57068083a966\n' },
        { stream: 'Coll' },
        { stream: 'ecting я\nlast' },
        { aux: { ID: 'sha256:1' } },
      );
      expect(read(text, piece)).toEqual({
        lines: [
          'Step 1/9 : ARG BASE_IMAGE',
          'Step 2/9 : FROM ${BASE_IMAGE}',
          'Step 3/9 : ARG BOT_SCOPE',
          'Collecting я',
          'last',
        ],
        error: undefined,
        hasBase: true,
      });
    },
  );

  test('reports the failure, and whether the base was there', () => {
    const pull = objects(
      { stream: 'Step 2/9 : FROM ${BASE_IMAGE}\n' },
      { status: 'Pulling from library/python', id: '3.11-slim' },
      { status: 'Downloading', id: 'abc', progress: '[=>  ]', progressDetail: {} },
      { errorDetail: { message: 'manifest unknown' }, error: 'manifest unknown' },
    );
    expect(read(pull, 50)).toEqual({
      lines: ['Step 2/9 : FROM ${BASE_IMAGE}', '3.11-slim: Pulling from library/python'],
      error: 'manifest unknown',
      hasBase: false,
    });
  });

  test('that was cut has no outcome', () => {
    expect(read('{"stream":"a\\n"}\r\n{"err', 5)).toEqual({ lines: ['a'], error: undefined, hasBase: false });
  });
});

describe('a refusal of the engine', () => {
  test.each([
    ['exec: "docker-init": executable file not found in $PATH', /engine lacks docker-init/],
    ['exec: "python": executable file not found in $PATH: unknown', /is not in its image/],
    ['exec: "/app/entrypoint.sh": permission denied: unknown', /is not executable/],
    ['exec /app/run.sh: exec format error', /machine cannot execute/],
    ['exec: "/run.sh": stat /run.sh: no such file or directory: unknown', /not in its image, or the first line/],
    ['write /var/lib/docker/x: no space left on device', /disk/],
    ['Minimum memory limit allowed is 6MB', /memory limit/],
    ['Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available', /processors/],
    ['network bots not found', /network of the bots/],
    ['something with canary-value in it', /refused to start the container \(status 500\)/],
  ])('%j is reported in words of our own', (text, expected) => {
    const { message } = refusalMessage('start', new EngineRefusal(500, text));
    expect(message).toMatch(expected);
    expect(message).not.toContain('canary');
  });
});
