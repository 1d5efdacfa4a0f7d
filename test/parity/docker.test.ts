/**
 * What the original got wrong, and use cases of its list, on a real engine through the command line. Bots that need not keep
 * running end on their own, so that nobody waits for them. What needs the internet there has a local stand-in here.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
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
  const { host } = usableDocker(docker);
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

  it('update and restart need nothing again (UC 5, 22), and nothing is built again', async () => {
    file('bot.py', rememberingBot('V1'));
    const source = "--simple /tmp/bot.py -r 'magic-filter>=1.0.12'";
    const first = await cli(`start versions ${source} -e GREETING=hello`);
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('Successfully installed magic-filter') });
    await seed.untilLogged('versions', "V1 with hello ['V1']");
    const before = await seed.platform.status('versions');

    file('bot.py', rememberingBot('V2'));
    const second = await cli(`update versions ${source}`);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('was updated') });
    expect(second.stderr).toContain('the packages are the same as before: they are not installed again');
    expect(second.stderr).not.toMatch(/Successfully installed|Step \d/);
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

  it('stop, logs and list block everything else: while a bot that ignores SIGTERM is stopped, the others are served', async () => {
    const stubborn =
      'import signal, time; signal.signal(signal.SIGTERM, lambda *_: None)\nwhile True: time.sleep(60)\n';
    const simple = { action: 'start', deployment_mode: 'simple' };
    await seed.job({ ...simple, bot_id: 'stubborn', code: stubborn });
    await seed.job({ ...simple, bot_id: 'other', code: 'import time\nprint("up", flush=True)\ntime.sleep(600)\n' });
    await seed.untilLogged('other', 'up');
    const ended: string[] = [];
    const noted = (name: string, data: object) => seed.job(data).then(() => ended.push(name));
    // It gets 10 seconds to end on its own.
    const stop = noted('stop stubborn', { action: 'stop', bot_id: 'stubborn' });
    await noted('list', { action: 'list' });
    await noted('logs', { action: 'logs', bot_id: 'other', lines: 10 });
    await noted('stop other', { action: 'stop', bot_id: 'other' });
    await stop;
    expect(ended).toEqual(['list', 'logs', 'stop other', 'stop stubborn']);
    expect(await seed.platform.status('stubborn')).toMatchObject({ status: 'stopped', exit_code: 137 });
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
    expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('inline ran and exited') });
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

  it('UC 5, 22: a database beside the code outlives a restart and ends with a stop, and one in /data outlives both', async () => {
    const bot = (note: string) => `import os, sqlite3, time
counts = []
for path in (os.environ["DATABASE_URL"].removeprefix("sqlite:///"), "/data/bot.db"):
    store = sqlite3.connect(path)
    store.execute("CREATE TABLE IF NOT EXISTS starts (at REAL)")
    store.execute("INSERT INTO starts VALUES (?)", (time.time(),))
    store.commit()
    counts.append(store.execute("SELECT count(*) FROM starts").fetchone()[0])
print("${note}", *counts, flush=True)
time.sleep(600)
`;
    file('bot.py', bot('first'));
    const start = 'start db-bot --simple /tmp/bot.py -e DATABASE_URL=sqlite:///bot.db';
    expect(await cli(start)).toMatchObject({ code: 0 });
    await seed.untilLogged('db-bot', 'first 1 1');
    expect(await cli('restart db-bot')).toMatchObject({ code: 0 });
    await seed.untilLogged('db-bot', 'first 2 2');
    // The restart of the original's guide: everything again, by hand.
    expect(await cli('stop db-bot')).toMatchObject({ code: 0 });
    expect(await cli(start)).toMatchObject({ code: 0 });
    await seed.untilLogged('db-bot', 'first 1 3');
    file('bot.py', bot('second'));
    expect(await cli('update db-bot --simple /tmp/bot.py')).toMatchObject({ code: 0 });
    await seed.untilLogged('db-bot', 'second 1 4');
  });

  it('UC 29: scheduled tasks run again and again, in the time zone of TZ', async () => {
    file(
      'scheduler.py',
      `import sched, time
def every(seconds, task):
    scheduler = sched.scheduler(time.time, time.sleep)
    def again(number):
        task(number)
        scheduler.enter(seconds, 1, again, (number + 1,))
    scheduler.enter(0, 1, again, (1,))
    scheduler.run()
`,
    );
    file(
      'bot.py',
      `import time, scheduler
scheduler.every(0.3, lambda number: print("task", number, time.strftime("%H:%M %Z", time.localtime(0)), flush=True))
`,
    );
    const start = 'start scheduler-bot --simple /tmp/bot.py /tmp/scheduler.py -e TZ=Europe/Moscow';
    expect(await cli(start)).toMatchObject({ code: 0 });
    await seed.untilLogged('scheduler-bot', /task 1 03:00 MSK[\s\S]*task 3 03:00 MSK/);
  });

  it('UC 32: debug lines, a traceback, stdout and stderr are in the log', async () => {
    const code = `import logging, os, sys
logging.basicConfig(level=os.environ["LOG_LEVEL"])
print("to stdout")
print("to stderr", file=sys.stderr)
logging.debug("a debug line, DEBUG is %s", os.environ["DEBUG"])
raise ValueError("debug me")
`;
    const env_vars = { DEBUG: 'true', LOG_LEVEL: 'DEBUG' };
    await seed.job({ action: 'start', bot_id: 'debug', deployment_mode: 'simple', code, env_vars });
    const log = await seed.untilLogged('debug', 'ValueError: debug me');
    for (const text of ['to stdout', 'to stderr', 'DEBUG:root:a debug line, DEBUG is true', 'Traceback', 'line 6']) {
      expect(log).toContain(text);
    }
  });
});
