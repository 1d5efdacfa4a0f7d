/**
 * What the original got wrong, and use cases of its list, on a real engine through the command line. Bots that need not go
 * on end by themselves, so that nobody waits for them. What needs the internet there has a stand-in on this machine here.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type SeedPlatform, startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { eventually } from '../kit/eventually.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 120_000;

/** Keeps one row for each start in a file of the data volume, and continues. */
const rememberingBot = (version: string) => `import os, sqlite3, time
store = sqlite3.connect("/data/bot.db")
store.execute("CREATE TABLE IF NOT EXISTS starts (version TEXT)")
store.execute("INSERT INTO starts VALUES ('${version}')")
store.commit()
print("${version} with", os.environ["GREETING"], [row[0] for row in store.execute("SELECT version FROM starts")], flush=True)
time.sleep(600)
`;

describe.skipIf('skip' in docker)('parity on Docker', { timeout: longMs }, () => {
  const { host, hostAddress } = usableDocker(docker);
  let seed: SeedPlatform;
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker));
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(() => seed?.close(), longMs);

  const file = (name: string, content: string) => {
    const path = join(seed.dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  const cli = (command: string) => seed.run(`avtomatika-bot ${command}`);
  /** Ids of all containers and images that the engine has, layers of builds among them. */
  const idsOnEngine = async () => {
    const ids = async (path: string) => [...(await callEngine(host, path)).text.matchAll(/"Id":"([^"]+)"/g)];
    const found = await Promise.all([ids('/containers/json?all=1'), ids('/images/json?all=1')]);
    return found.flat().map(([, id]) => id);
  };

  it('update and restart need nothing again (UC 5, 22), and only the code layer is built anew', async () => {
    file('bot.py', rememberingBot('V1'));
    const source = "--simple /tmp/bot.py -r 'magic-filter>=1.0.12'";
    const first = await cli(`start versions ${source} -e GREETING=hello`);
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('Successfully installed magic-filter') });
    await seed.untilLogged('versions', "V1 with hello ['V1']");
    const before = await seed.platform.status('versions');

    file('bot.py', rememberingBot('V2'));
    const second = await cli(`update versions ${source}`);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('was updated') });
    expect(second.stderr).toMatch(/: RUN python -m pip install .*\n.* ---> Using cache/);
    expect(second.stderr).not.toContain('Successfully installed');
    // What follows the last step from the cache is the code.
    expect(second.stderr.slice(second.stderr.lastIndexOf('Using cache'))).toContain(' app/ /app/');
    await seed.untilLogged('versions', "V2 with hello ['V1', 'V2']");
    const after = await seed.platform.status('versions');
    expect(after).toMatchObject({ status: 'running', restarts: 0 });
    expect(after.started_at > before.started_at).toBe(true);
    expect(after.container_id).not.toBe(before.container_id);

    expect(await cli('restart versions')).toMatchObject({ code: 0, stdout: expect.stringContaining('restarted') });
    await seed.untilLogged('versions', "V2 with hello ['V1', 'V2', 'V2']");
  });

  it('a cancelled build leaves nothing behind, of an update the old bot', async () => {
    file('slow/Dockerfile', 'FROM busybox:stable\nRUN echo first > /first\nRUN echo begun && sleep 600\n');
    file('old/Dockerfile', 'FROM busybox:stable\nCMD ["sleep", "600"]\n');
    expect(await cli('start kept --custom /tmp/old/')).toMatchObject({ code: 0 });
    const { container_id } = await seed.platform.status('kept');
    const before = new Set(await idsOnEngine());
    for (const command of ['start new', 'update kept']) {
      const accepted = await cli(`${command} --custom /tmp/slow/ --no-wait --json`);
      const { job_id, bot_id } = JSON.parse(accepted.stdout);
      await seed.untilLogged(bot_id, /^(\[build\] )?begun$/m);
      expect(await cli(`cancel ${job_id}`)).toMatchObject({ code: 0, stdout: expect.stringContaining('cancelled') });
      await eventually(
        'the engine has nothing new',
        async () => (await idsOnEngine()).filter((id) => !before.has(id)),
        (extra) => extra.length === 0,
        { timeoutMs: 30_000 },
      );
    }
    expect(await seed.platform.status('kept')).toMatchObject({ status: 'running', container_id });
    const list = await seed.job({ action: 'list' });
    expect(list.data.result.count).toBe(1);
  });

  it('build logs dropped: the output of a failed build is in the log of the bot, with the secrets of its env masked', async () => {
    file('failing/Dockerfile', 'FROM busybox:stable\nRUN echo token is secret-canary-31337 && false\n');
    const end = await cli('start failing --custom /tmp/failing/ -e API_TOKEN=secret-canary-31337');
    expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining('BUILD_FAILED') });
    const log = await seed.untilLogged('failing', 'token is [masked]');
    expect(log + end.stdout + end.stderr).not.toContain('secret-canary-31337');
  });

  it('--simple --inline --code (UC 4: inline code)', async () => {
    const end = await cli(`start inline --simple --inline --code "print('from the command line')"`);
    expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('inline ran and ended') });
    await seed.untilLogged('inline', 'from the command line');
  });

  it('directory names flattened, non-UTF-8 files: a folder next to a file keeps both (UC 30: i18n)', async () => {
    file('i18n/bot.py', 'print(open("locales/ru/texts.po").read(), open("locales/en/texts.po").read())\n');
    file('i18n/locales/ru/texts.po', 'Привет');
    file('i18n/locales/en/texts.po', 'Hello');
    expect(await seed.run('cd /tmp/i18n && avtomatika-bot start i18n --simple bot.py locales')).toMatchObject({
      code: 0,
    });
    await seed.untilLogged('i18n', 'Привет Hello');
  });

  it('UC 12: a Dockerfile installs programs of the system, which the bot may run', async () => {
    // As apt-get does: files for all users, put there by root. The network of the package archive has no stand-in.
    file('ffmpeg/tool', '#!/bin/sh\necho ffmpeg stand-in run by $(id -u)\n');
    file(
      'ffmpeg/Dockerfile',
      'FROM busybox:stable\nCOPY tool /usr/bin/ffmpeg\nRUN chmod 755 /usr/bin/ffmpeg && ffmpeg -version\nCMD ["ffmpeg", "-i", "x"]\n',
    );
    expect(await cli('start ffmpeg --custom /tmp/ffmpeg')).toMatchObject({ code: 0 });
    // Once in the build, once as the bot: the image names no user.
    await seed.untilLogged('ffmpeg', /run by 0[\s\S]*run by 0/);
  });

  it('UC 29: TZ is the time zone of the bot', async () => {
    const code = 'import time; print(time.strftime("%H:%M %Z", time.localtime(0)))';
    const start = { action: 'start', bot_id: 'zone', deployment_mode: 'simple', code };
    const job = await seed.job({ ...start, env_vars: { TZ: 'MSK-3' } });
    expect(job.data.result).toMatchObject({ status: 'exited', exit_code: 0 });
    await seed.untilLogged('zone', '03:00 MSK');
  });

  it('UC 32: a traceback, stdout and stderr are in the log', async () => {
    const code = 'import sys\nprint("to stdout")\nprint("to stderr", file=sys.stderr)\nraise ValueError("debug me")\n';
    await seed.job({ action: 'start', bot_id: 'debug', deployment_mode: 'simple', code });
    const log = await seed.untilLogged('debug', 'ValueError: debug me');
    for (const text of ['to stdout', 'to stderr', 'Traceback', 'line 4']) expect(log).toContain(text);
  });

  it('UC 6, 23, 24, 26: a bot reaches services that its env names (an API, Redis, a database, a storage)', async () => {
    const api = createHttpServer((_request, response) => response.end('the weather'));
    const redis = createServer((socket) => socket.on('data', () => socket.end('+PONG\r\n')));
    const place = async (server: Server) => {
      await new Promise<void>((resolve) => server.listen(0, hostAddress, resolve));
      // A TCP server that listens has an AddressInfo.
      return `${hostAddress}:${(server.address() as AddressInfo).port}`;
    };
    try {
      const code = `import os, socket, urllib.request
print(urllib.request.urlopen(os.environ["API_URL"], timeout=10).read().decode())
host, port = os.environ["REDIS"].split(":")
with socket.create_connection((host, int(port)), 10) as redis:
    redis.sendall(b"PING\\r\\n")
    print(redis.recv(100).decode().strip())
`;
      const env_vars = { API_URL: `http://${await place(api)}/`, REDIS: await place(redis) };
      const job = await seed.job({ action: 'start', bot_id: 'client', deployment_mode: 'simple', code, env_vars });
      expect(job.data.result).toMatchObject({ status: 'exited', exit_code: 0 });
      await seed.untilLogged('client', /the weather\n\+PONG/);
    } finally {
      api.close();
      redis.close();
    }
  });
});
