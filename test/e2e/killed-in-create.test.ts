/** A worker that is killed after the engine has made a container, and before the bot's code is in it. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { rawEngine } from '../contract/docker-harness.ts';
import { eventually } from '../kit/eventually.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 120_000;
/** Of the copy that is cut, so much gets to the engine. */
const cutAfterBytes = 200_000;
const padBytes = 1_000_000;

/** Says so only if all of it is there. */
const code = `import os, time
assert os.path.getsize('pad') == ${padBytes}
import part
print('whole', part.text, flush=True)
while True: time.sleep(60)
`;

/** An engine's socket that keeps copies of code back: the first wholly, the second but for its beginning. */
class HeldBack {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Ids of the containers that code was to be copied into. */
  readonly held: string[] = [];
  isHolding = true;

  constructor(enginePath: string, path: string) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const engine = connect({ path: enginePath, allowHalfOpen: true });
      for (const [one, other] of [
        [client, engine],
        [engine, client],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
      engine.pipe(client);
      client.once('data', (first) => this.#onRequest(first, client, engine));
    });
    this.#server.listen(path);
  }

  #onRequest(first: Buffer, client: Socket, engine: Socket): void {
    const [, id] = /^PUT \S*\/containers\/([0-9a-f]+)\/archive/.exec(first.toString('latin1')) ?? [];
    if (id === undefined || !this.isHolding) {
      engine.write(first);
      client.pipe(engine);
      return;
    }
    this.held.push(id);
    // The kernel closes the connections of a process that was killed.
    client.on('end', () => engine.destroy());
    // Nothing of it, or no more than its beginning.
    let left = this.held.length === 1 ? 0 : cutAfterBytes;
    const pass = (bytes: Buffer) => {
      if (left > 0) engine.write(bytes);
      left -= bytes.length;
    };
    pass(first);
    client.on('data', pass);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

describe.skipIf('skip' in docker)('a worker that is killed while it makes a container', () => {
  const usable = usableDocker(docker);
  const engine = rawEngine(usable);
  let dir: string;
  let between: HeldBack;
  let platform: TestPlatform;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'killed-'));
    const socket = join(dir, 'engine.sock');
    between = new HeldBack(usable.host.replace('unix://', ''), socket);
    platform = await startTestPlatform({ RUNTIME: 'docker', DOCKER_HOST: `unix://${socket}` });
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await between?.close();
    rmSync(dir, { recursive: true });
  }, longMs);

  it('brings its bots up right after, with all of their code, in that container', { timeout: longMs }, async () => {
    const bots = ['nothing', 'beginning'];
    const starting = bots.map((botId) => {
      const folder = join(dir, botId);
      mkdirSync(folder);
      writeFileSync(join(folder, 'bot.py'), code);
      writeFileSync(join(folder, 'pad'), Buffer.alloc(padBytes));
      writeFileSync(join(folder, 'part.py'), `text = ${JSON.stringify(botId)}\n`);
      return platform.cli(['start', botId, '--simple', folder]);
    });
    await eventually(
      'both copies are held back',
      () => between.held.length,
      (count) => count === 2,
      {
        timeoutMs: 60_000,
      },
    );
    await platform.kill('worker');
    between.isHolding = false;
    await platform.start('worker');
    expect((await Promise.all(starting)).map((result) => result.code)).toEqual([0, 0]);
    for (const botId of bots) {
      const { container_id: id, status } = await platform.status(botId);
      expect(status).toBe('running');
      expect(between.held).toContain(id);
      const { stdout } = await eventually(
        'it has said so',
        () => platform.cli(['logs', botId]),
        (logs) => logs.stdout.includes('whole'),
        { timeoutMs: 30_000 },
      );
      expect(stdout).toContain(`whole ${botId}`);
      const filters = { label: [`bot_id=${botId}`, 'bot_runner=true'] };
      const there = list(await engine.get('/containers/json', { all: true, filters }));
      expect(there.map((container) => text(record(container)['Id']))).toEqual([id]);
    }
    expect(between.held).toHaveLength(2);
    for (const botId of bots) await deleteBot(platform, botId);
  });
});
