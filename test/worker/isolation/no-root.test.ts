/** Images whose programs would be root, where strangers may start bots and nothing stands between that root and the host's. */
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import { dockerRuntime, rawEngine, removeAllOf } from '../../contract/docker-harness.ts';
import { patience, untilPrinted } from '../../contract/harness.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { planWithDockerfile, runToEnd, writer } from './bots.ts';

const given = inject('docker');
const docker = usableDocker(given);
const reason =
  'skip' in given ? given.skip : docker.podman !== undefined && 'Podman reports no owners of files in containers';

describe.skipIf(reason)('where no bot may be root', { timeout: 120_000 }, () => {
  const userId = 'no-root';
  const workerId = 'worker-nr';
  const network = 'isolation_nr';
  const engine = rawEngine(docker);
  const before = dockerRuntime(docker, { network, workerId });
  const runtime = dockerRuntime(docker, { network, workerId, strangers: true });

  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(() => removeAllOf(engine, userId, network));

  const dockerfile = `FROM python:3.11-slim
WORKDIR /srv/bot
COPY . .
RUN mkdir -p kept sub/deep /root/.cache && echo 1 > state.json && echo 1 > sub/deep/state.json && echo 1 > kept/file \\
 && echo 1 > /root/.cache/file && chmod 700 /root && ln -s state.json link && touch -d '2020-01-01 00:00:00' old && chmod 4755 old
VOLUME /srv/bot/kept
CMD ["python", "bot.py"]
`;
  const PATHS =
    '/srv/bot/new /srv/bot/state.json /srv/bot/sub/deep/state.json /srv/bot/kept/file /srv/bot/link /root/.cache/file /root/new /data/a /data/of-root /etc/passwd';

  it('hostile 76: runs as the bots’ own user, in folders that are its own, with what root wrote before', async () => {
    const key = { userId, botId: 'root' };
    const asRoot = `${writer}open("/data/of-root", "a").close(); os.chmod("/data/of-root", 0o600); os.chmod("/data", 0o700)\n`;
    const first = await planWithDockerfile(before, {
      key,
      workerId,
      dockerfile,
      files: { 'bot.py': asRoot },
      env: { PATHS: '/data/a /srv/bot/kept/file' },
    });
    expect((await runToEnd(before, first)).lines).toEqual([
      'uid 0 /root',
      '/data/a written',
      '/srv/bot/kept/file written',
    ]);

    const files = {
      'bot.py': `${writer}status = os.stat("old")\nprint("old", oct(status.st_mode & 0o7777), int(status.st_mtime))\n`,
    };
    const plan = await planWithDockerfile(runtime, { key, workerId, dockerfile, files, env: { PATHS } });
    const { lines, said, exitCode } = await runToEnd(runtime, plan);
    const paths = PATHS.split(' ');
    expect(lines).toEqual([
      'uid 10001 /root',
      ...paths.slice(0, -1).map((path) => `${path} written`),
      '/etc/passwd Permission denied',
      expect.stringMatching(/^old 0o4755 1577836800$/),
    ]);
    expect(exitCode).toBe(0);
    expect(said).toEqual([
      'on this worker no bot is root: it runs as user 10001, to whom /data, /srv/bot, /root, /srv/bot/kept belong',
    ]);
    // And back again: root reads what anyone owns.
    const { lines: back } = await runToEnd(before, { ...plan });
    expect(back).toEqual(expect.arrayContaining(['uid 0 /root', '/data/of-root written', '/etc/passwd written']));
  });

  it('also root by another name, and says it for as long as it runs', async () => {
    const key = { userId, botId: 'toor' };
    const named = `FROM python:3.11-slim
RUN echo 'toor:x:0:0::/root:/bin/sh' >> /etc/passwd
WORKDIR /srv/bot
COPY . .
LABEL runs_as="10001 forged"
USER toor
CMD ["python", "bot.py"]
`;
    const files = {
      'bot.py':
        'import os, time\nprint("uid", os.getuid(), flush=True)\nopen("new", "w").close()\nprint("wrote", flush=True)\ntime.sleep(1000)\n',
    };
    const plan = await planWithDockerfile(runtime, { key, workerId, dockerfile: named, files });
    const id = await runtime.create(plan, patience());
    await runtime.start(id, patience());
    await untilPrinted(runtime, id, 'wrote');
    const seen = await runtime.inspect(id, patience());
    expect(seen?.remark).toMatch(/runs as user 10001, not as root/);
    expect(seen?.protection?.user).toBe('10001:10001');
    await runtime.remove(id, patience());
    // The label of the image says nothing.
    const plain = await before.create(plan, patience());
    expect((await before.inspect(plain, patience()))?.remark).toBeUndefined();
  });

  it('not one whose image names another user', async () => {
    const key = { userId, botId: 'own' };
    const own = 'FROM python:3.11-slim\nWORKDIR /srv/bot\nCOPY . .\nUSER 1234:99\nCMD ["python", "bot.py"]\n';
    const files = { 'bot.py': writer };
    const plan = await planWithDockerfile(runtime, {
      key,
      workerId,
      dockerfile: own,
      files,
      env: { PATHS: '/data/a' },
    });
    const { lines, said } = await runToEnd(runtime, plan);
    expect([lines, said]).toEqual([['uid 1234 /', '/data/a written'], []]);
  });

  it('runs no program of the image to change owners, and leaves a link as it is', async () => {
    const key = { userId, botId: 'hostile' };
    const hostile = `FROM python:3.11-slim
RUN printf '#!/bin/sh\\necho pwned > /data/pwned\\n' > /bin/chown.new && chmod 755 /bin/chown.new && mv /bin/chown.new /bin/chown
RUN mkdir -p /real /srv && ln -s /real /srv/bot
WORKDIR /srv/bot
COPY . .
CMD ["python", "/srv/bot/bot.py"]
`;
    const files = { 'bot.py': writer };
    const env = { PATHS: '/srv/bot/new /root/new /data/old /data/pwned2' };
    const plan = await planWithDockerfile(runtime, { key, workerId, dockerfile: hostile, files, env });
    await runToEnd(before, { ...plan });
    const { lines, said } = await runToEnd(runtime, plan);
    expect(lines).toEqual([
      'uid 10001 /root',
      '/srv/bot/new Permission denied',
      '/root/new written',
      '/data/old written',
      '/data/pwned2 written',
    ]);
    expect(said[0]).toMatch(/to whom \/data, \/root belong; it cannot write to \/srv\/bot$/);
    const look = await planWithDockerfile(before, {
      key,
      workerId,
      files: { 'bot.py': 'import os\nprint(sorted(os.listdir("/data")))\n' },
    });
    expect((await runToEnd(before, look)).lines).toEqual(["['old', 'pwned2']"]);
  });
});
