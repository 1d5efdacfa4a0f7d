/** Bots whose root file system is read-only, on a real engine. */
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { dockerRuntime, rawEngine, removeAllOf } from '../../contract/docker-harness.ts';
import { botPlan, buildBot, patience } from '../../contract/harness.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { planWithDockerfile, runToEnd, writer } from './bots.ts';

const given = inject('docker');
const docker = usableDocker(given);

describe.skipIf('skip' in given)('a bot with a read-only root file system', { timeout: 120_000 }, () => {
  const userId = 'read-only';
  const workerId = 'worker-ro';
  const network = 'isolation_ro';
  const engine = rawEngine(docker);
  const runtime = dockerRuntime(docker, { network, workerId });

  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(() => removeAllOf(engine, userId, network));

  it.each(['python', 'node'] as const)('of simple mode runs, and writes where it may: %s', async (language) => {
    const key = { userId, botId: language };
    const entrypoint = language === 'python' ? 'bot.py' : 'bot.mjs';
    const node = `import { appendFileSync } from 'node:fs';
import { homedir } from 'node:os';
console.log('uid', process.getuid(), homedir());
for (const path of process.env.PATHS.split(' ')) {
  try { appendFileSync(path, 'x'); console.log(path, 'written'); }
  catch (error) { console.log(path, error.code === 'EROFS' ? 'Read-only file system' : error.code); }
}
`;
    await buildBot(runtime, language, {
      key,
      workerId,
      files: { [entrypoint]: language === 'python' ? writer : node },
    });
    const PATHS = '/data/a /tmp/a /var/tmp/a /run/a /home/bot/a /app/a /etc/a';
    const plan = {
      ...botPlan({ key, workerId, language }),
      run: { kind: 'simple', language, entrypoint } as const,
      env: new Secret({ PATHS }),
      readOnly: true,
    };
    const written = ['/data/a', '/tmp/a', '/var/tmp/a', '/run/a'].map((path) => `${path} written`);
    const refused = ['/home/bot/a', '/app/a', '/etc/a'].map((path) => `${path} Read-only file system`);
    const { lines, exitCode, protection } = await runToEnd(runtime, plan);
    expect(protection).toEqual({
      readOnly: true,
      runtimeClass: expect.stringMatching(/^(runc|crun)$/),
      user: '10001:10001',
    });
    expect(lines.filter((line) => line.startsWith('/'))).toEqual([...written, ...refused]);
    expect(lines).toContain('uid 10001 /tmp');
    expect(exitCode).toBe(0);
    // Once more, from the image that the code is in by now, and with /data as it was left.
    expect((await runToEnd(runtime, plan)).lines).toContain('/data/a written');
    // And with a writable root again.
    const writable = await runToEnd(runtime, { ...plan, readOnly: false });
    expect(writable.lines).toContain('/app/a written');
    expect(writable.protection).toMatchObject({ readOnly: false });
  });

  it('of an image keeps the volumes of the image writable, and what is in its folders', async () => {
    const key = { userId, botId: 'image' };
    const dockerfile = `FROM python:3.11-slim
WORKDIR /srv/bot
COPY . .
RUN mkdir /srv/bot/kept && echo from-image > /srv/bot/kept/file && chmod 777 /srv/bot/kept /srv/bot/kept/file
VOLUME /srv/bot/kept
USER 1000
CMD ["python", "bot.py"]
`;
    const PATHS = '/srv/bot/kept/file /data/a /tmp/a /srv/bot/a';
    const files = { 'bot.py': `${writer}print(open("/srv/bot/kept/file").read())\n` };
    const choice = { key, workerId, dockerfile, files, env: { PATHS }, plan: { readOnly: true } };
    const { lines, protection } = await runToEnd(runtime, await planWithDockerfile(runtime, choice));
    expect(protection).toMatchObject({ readOnly: true, user: '1000' });
    expect(lines).toEqual(
      expect.arrayContaining([
        '/srv/bot/kept/file written',
        'from-image',
        'x',
        '/data/a written',
        '/tmp/a written',
        '/srv/bot/a Read-only file system',
      ]),
    );
  });

  it('has folders in memory of a bounded size', async () => {
    const key = { userId, botId: 'sized' };
    const program = `import errno
try:
    with open("/tmp/big", "wb") as file:
        for n in range(200):
            file.write(b"x" * 1024 * 1024)
            file.flush()
except OSError as error:
    print("full after", n, errno.errorcode[error.errno])
`;
    await buildBot(runtime, 'python', { key, workerId, files: { 'bot.py': program } });
    const plan = {
      ...botPlan({ key, workerId, language: 'python' }),
      run: { kind: 'simple', language: 'python', entrypoint: 'bot.py' } as const,
      memoryBytes: 64 * 1024 * 1024,
      readOnly: true,
    };
    const { lines, exitCode } = await runToEnd(runtime, plan);
    expect(lines).toEqual(['full after 32 ENOSPC']);
    expect(exitCode).toBe(0);
  });

  it('is made anew when it gets or loses that', async () => {
    const key = { userId, botId: 'python' };
    const plan = botPlan({ key, workerId, language: 'python' });
    const settings = (readOnly?: boolean) =>
      runtime.settingsOf({ ...plan, ...(readOnly === undefined ? {} : { readOnly }) }, patience());
    expect(await settings()).toBe(await settings(false));
    expect(await settings()).not.toBe(await settings(true));
  });
});
