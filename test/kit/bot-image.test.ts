/** The whole kit at once: a bot is built with pip from the test index, on the private engine, and talks to the fake Telegram. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
// biome-ignore lint/style/noRestrictedImports: shows that the engine serves the library that the worker uses
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import { describe, expect, inject, it } from 'vitest';
import { eventually } from './eventually.ts';
import { startFakeTelegram } from './fake-telegram/fake-telegram.ts';
import { usableDocker } from './test-docker.ts';

const docker = inject('docker');
const token = '123:ABC';
const dockerfile = `FROM python:3.11-slim
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
RUN pip install "aiogram>=3.0,<4"
COPY bot.py /app/bot.py
USER 10001
CMD ["python", "/app/bot.py"]
`;

describe.skipIf('skip' in docker)('on the engine of the tests', () => {
  const { host, hostAddress, pipIndexUrl } = usableDocker(docker);
  const engine = new Docker({ socketPath: host.replace('unix://', '') });

  it('a bot is built from the package index, answers a person, and ends when it is stopped', async () => {
    const context = pack();
    context.entry({ name: 'Dockerfile' }, dockerfile);
    context.entry({ name: 'bot.py' }, readFileSync(join(import.meta.dirname, '../../examples/bots/echo_bot.py')));
    context.finalize();
    const building = await engine.buildImage(Readable.from(context), {
      t: 'kit-proof:1',
      rm: true,
      forcerm: true,
      buildargs: { PIP_INDEX_URL: pipIndexUrl, PIP_TRUSTED_HOST: hostAddress },
    });
    const output = await readAll(building);
    expect(output).not.toContain('"error"');
    expect(output).toMatch(/Successfully installed .*aiogram-3\./);

    const telegram = await startFakeTelegram({ host: hostAddress, tokens: [token] });
    const container = await engine.createContainer({
      Image: 'kit-proof:1',
      Env: [`BOT_TOKEN=${token}`, `TELEGRAM_API_BASE=${telegram.url}`],
      HostConfig: { Init: true },
    });
    try {
      await container.start();
      const chat = telegram.chat(token);
      chat.say('hello');
      expect((await chat.answer(15_000)).text).toBe('Echo: hello');
      await eventually(
        'the bot prints what it did',
        async () => (await container.logs({ stdout: true, stderr: true })).toString(),
        (logs) => logs.includes('Run polling for bot @test_123_bot') && logs.includes('Answered Ann: hello'),
      );
      await container.stop({ t: 10 });
      expect((await container.inspect()).State).toMatchObject({ Status: 'exited', ExitCode: 0 });
    } finally {
      await container.remove({ force: true });
      await telegram.close();
    }
  });

  it('the base images have what bots need, for the user that bots run as', async () => {
    const run = async (image: string, script: string) => {
      const output = new PassThrough();
      const text = readAll(output);
      const [result] = await engine.run(image, ['sh', '-c', script], output, {
        User: '10001:10001',
        HostConfig: { AutoRemove: true },
      });
      output.end();
      expect({ output: (await text).trim(), ...result }).toMatchObject({ StatusCode: 0 });
      return text;
    };
    expect(await run('busybox:stable', 'id -un; touch /tmp/x; touch ~/x')).toContain('bot');
    expect(await run('python:3.11-slim', 'python -c "import ssl, sqlite3, ctypes; print(1)"; pip -V')).toContain('pip');
    expect(await run('node:24-slim', 'node -p process.version')).toContain(process.version);
  });
});

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}
