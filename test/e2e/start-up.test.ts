/** What a user sees who starts something wrong: one clear line with the cure, another exit code than 0, nothing left. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { startNpmProgram } from '../readme/npm-program.ts';

const checkout = join(import.meta.dirname, '../..');
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'start-up-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Runs a file of the checkout to its end; it must end on its own within 30 s. */
function run(file: string, env: Record<string, string>, args: readonly string[] = []) {
  return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [join(checkout, file), ...args], {
      cwd: checkout,
      env: { PATH: process.env['PATH'] ?? '', HOME: dir, DATA_DIR: dir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${file} did not end; it said: ${output}`));
    }, 30_000);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

async function withPortTaken<T>(work: (port: number) => Promise<T>): Promise<T> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  try {
    return await work(typeof address === 'object' && address ? address.port : 0);
  } finally {
    server.close();
  }
}

describe('the orchestrator', { timeout: 60_000 }, () => {
  it('says that its port is in use, and how to choose another', async () => {
    await withPortTaken(async (port) => {
      const { code, output } = await run('orchestrator/main.ts', { PORT: String(port) });
      expect([code, output]).toEqual([
        1,
        `orchestrator: port ${port} on 127.0.0.1 is in use: stop the program that uses it, or set PORT to another one\n`,
      ]);
    });
  });

  it('names all mistakes of its settings at once, and never a value', async () => {
    const env = { PORT: 'x', CLIENT_TOKEN: 'short', MAX_BOTS_PER_USER: '-1', HOST: '0.0.0.0' };
    const { code, output } = await run('orchestrator/main.ts', env);
    expect(code).toBe(1);
    expect(output.split('\n').filter(Boolean)).toEqual([
      'orchestrator: PORT must be a whole number from 0 to 65535',
      'orchestrator: CLIENT_TOKEN must be 8 to 512 printable characters without spaces',
      'orchestrator: MAX_BOTS_PER_USER must be a whole number from 0 to 10000',
    ]);
  });

  it('hostile 104: does not listen off loopback in cleartext with development tokens', async () => {
    const { code, output } = await run('orchestrator/main.ts', { HOST: '0.0.0.0', PORT: '0' });
    expect(code).toBe(1);
    expect(output).toContain('set TLS_CERT and TLS_KEY, or ALLOW_CLEARTEXT=1 behind a TLS proxy');
    expect(output).toContain('CLIENT_TOKEN must be set when HOST is not loopback');
  });
});

describe('the worker', { timeout: 60_000 }, () => {
  it('says that its token is wrong', async () => {
    await using orchestrator = await startTestOrchestrator();
    const { code, output } = await run('worker/main.ts', {
      ORCHESTRATOR_URL: orchestrator.url,
      WORKER_TOKEN: 'a-wrong-token',
      RUNTIME: 'process',
      LOG_LEVEL: 'error',
    });
    expect(code).toBe(1);
    expect(output).toMatch(/^worker: .*WORKER_TOKEN/m);
    expect(output).not.toContain('a-wrong-token');
  });
});

describe('the CLI', { timeout: 60_000 }, () => {
  const cli = (env: Record<string, string>) => run('cli/bin/avtomatika-bot.js', env, ['list']);

  it('says that it cannot reach the orchestrator, with code 4', async () => {
    const { code, output } = await cli({ AVTOMATIKA_URL: 'http://127.0.0.1:9', AVTOMATIKA_TOKEN: 'test-client-token' });
    expect(code).toBe(4);
    expect(output).toContain('http://127.0.0.1:9');
  });

  it('says that its token is wrong, with code 5', async () => {
    await using orchestrator = await startTestOrchestrator();
    const { code, output } = await cli({ AVTOMATIKA_URL: orchestrator.url, AVTOMATIKA_TOKEN: 'a-wrong-token' });
    expect(code).toBe(5);
    expect(output).toContain('AVTOMATIKA_TOKEN');
    expect(output).not.toContain('a-wrong-token');
  });
});

describe('npm start', { timeout: 120_000 }, () => {
  const start = 'scripts/start.ts';

  it('ends with the same line when the port is in use, and leaves no worker behind', async () => {
    await withPortTaken(async (port) => {
      const { code, output } = await run(start, { PORT: String(port), RUNTIME: 'process' });
      expect(code).toBe(1);
      expect(output).toContain(`port ${port} on 127.0.0.1 is in use`);
      expect(output).not.toMatch(/worker:|is up/);
    });
  });

  it('does not take another Bot Runner on its port for its own', async () => {
    await using other = await startTestOrchestrator();
    const { code, output } = await run(start, { PORT: String(other.port), RUNTIME: 'process' });
    expect([code, output]).toEqual([
      1,
      `orchestrator: port ${other.port} on 127.0.0.1 is in use: stop the program that uses it, or set PORT to another one\n`,
    ]);
  });

  it('names what is wrong with PORT', async () => {
    for (const port of ['http', '80 80', '70000', '-1']) {
      const { code, output } = await run(start, { PORT: port, RUNTIME: 'process' });
      expect([code, output]).toEqual([1, 'orchestrator: PORT must be a whole number from 0 to 65535\n']);
    }
  });

  it('says where it is up once it is, with any free port, and a second one says what it lacks', async () => {
    const env = { PORT: '0', RUNTIME: 'process', DATA_DIR: dir, CLIENT_TOKEN: 'a-token-of-my-own' };
    const first = await startNpmProgram(`exec ${process.execPath} ${start}`, 'npx avtomatika-bot list', checkout, env);
    try {
      const [, url = ''] = /^Bot Runner is up: (http:\/\/localhost:\d+) /m.exec(first.output()) ?? [];
      expect((await fetch(`${url}/health`)).status).toBe(200);
      expect(first.output()).toContain(`export AVTOMATIKA_URL=${url}`);
      expect(first.output()).not.toMatch(/test-client-token|a-token-of-my-own/);
      const headers = { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' };
      const workers = await fetch(`${url}/botrunner.v1.AdminService/ListWorkers`, {
        method: 'POST',
        headers,
        body: '{}',
      });
      expect(await workers.text()).toContain('WORKER_STATE_READY');

      const sameFolder = await run(start, env);
      expect([sameFolder.code, sameFolder.output]).toEqual([1, expect.stringMatching(/^orchestrator: .*in use.*\n$/)]);
      const worker = await run('worker/main.ts', { ...env, ORCHESTRATOR_URL: url });
      expect([worker.code, worker.output]).toEqual([
        1,
        expect.stringMatching(
          /^worker: \S+lock is held by the running process \d+: stop it, or set DATA_DIR to another folder$/m,
        ),
      ]);
    } finally {
      expect(await first.interrupt()).toBe(0);
    }
  });

  it('does not say that it is up when its worker does not come up', async () => {
    const file = join(dir, 'worker');
    writeFileSync(file, 'not a folder');
    const { code, output } = await run(start, { PORT: '0', RUNTIME: 'process' });
    expect([code, output]).toEqual([1, expect.stringMatching(/^worker: /m)]);
    expect(output).not.toContain('is up');
  });
});
