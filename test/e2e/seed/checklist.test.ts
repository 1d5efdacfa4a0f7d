/**
 * Chapter 8 of the testing guide on a real engine, line by line: set-up, components, simple mode, managing, limits, errors.
 * The lines of custom and image mode are in ../sources.test.ts. Limits are proved from inside of a container.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { orchestratorVariables } from '../../../orchestrator/settings.ts';
import { workerVariables } from '../../../worker/config.ts';
import { eventually } from '../../kit/eventually.ts';
import type { JsonBody } from '../../kit/orchestrator-for-tests.ts';
import { callEngine } from '../../kit/private-engine/engine-api.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { knownToken, type SeedPlatform, startSeedPlatform } from './seed-platform.ts';

const docker = inject('docker');
const longMs = 120_000;

/** Prints what it finds inside as one line of JSON, and continues. Control groups have other names in version 1. */
const probe = `import json, os, resource, sys, threading, time
def read(*paths):
    for path in paths:
        try:
            return open("/sys/fs/cgroup/" + path).read().strip()
        except OSError:
            pass
children = 0
try:
    while children < 1000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1
except OSError as error:
    refused = error.strerror
end = time.monotonic() + 2
begun = time.process_time()
while time.monotonic() < end:
    pass
facts = {
    "python": list(sys.version_info[:2]),
    "env": {name: os.environ.get(name) for name in ("GREETING", "EMPTY", "SHELL_LIKE", "TZ")},
    "memory": read("memory.max", "memory/memory.limit_in_bytes"),
    "cpu": read("cpu.max") or " ".join([read("cpu/cpu.cfs_quota_us"), read("cpu/cpu.cfs_period_us")]),
    "pids": read("pids.max", "pids/pids.max"),
    "children": children,
    "refused": refused,
    "cpu_share": (time.process_time() - begun) / 2,
}
print("FACTS " + json.dumps(facts), flush=True)
time.sleep(600)
`;
const hog =
  'import time\nprint("taking", flush=True)\nx = bytearray(200 * 1024 * 1024)\nprint("kept")\ntime.sleep(600)\n';

describe.skipIf('skip' in docker)('chapter 8 of the testing guide', { timeout: longMs }, () => {
  let seed: SeedPlatform;
  const { host } = usableDocker(docker);
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(seed.dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker));
    file('probe.py', probe);
  }, longMs);
  afterAll(async () => {
    await seed?.deleteAll();
    await seed?.close();
  }, longMs);

  it('checklist: Orchestrator starts', async () => {
    expect(await (await fetch(`${seed.platform.url}/health`)).text()).toBe('{"status":"ok"}');
  });

  it('checklist: Worker registers', async () => {
    const log = await eventually(
      'the worker has joined',
      () => seed.platform.log('orchestrator'),
      (text) => text.includes('"worker joined"'),
      { timeoutMs: 30_000 },
    );
    expect(log).toMatch(/"runtime":"docker".*"worker joined"/);
  });

  it('checklist: Redis is available (if it is used) - it is not: the store is a file of the orchestrator', () => {
    const names = Object.values({ ...orchestratorVariables, ...workerVariables }).map(({ name }) => name);
    expect(names.filter((name) => name.includes('REDIS'))).toEqual([]);
    expect(readdirSync(join(seed.platform.dir, 'data', 'orchestrator'))).toContain('store.sqlite');
  });

  it('checklist: CLI works', async () => {
    expect(await seed.run('avtomatika-bot --version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/\d/) });
    expect(await seed.run('avtomatika-bot list')).toMatchObject({ code: 0, stdout: expect.stringContaining('0/3') });
  });

  it('checklist: Dependencies are installed', async () => {
    const differences =
      "import('./scripts/bootstrap/installed.mjs').then((m) => console.log(m.differencesFromRecord('.')))";
    expect(await seed.run(`node -e "${differences}"`)).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  it('checklist: Docker is installed and running', async () => {
    expect(await callEngine(host, '/version')).toMatchObject({ status: 200 });
    expect(seed.platform.log('worker')).toContain('the engine answers: docker');
  });

  describe('one bot that looks around inside', () => {
    let facts: JsonBody;
    beforeAll(async () => {
      const start = `avtomatika-bot start probe --simple /tmp/probe.py -e GREETING='Привет, мир' -e EMPTY= \\
        -e 'SHELL_LIKE=$(id) \${HOME}' -e TZ=Europe/Moscow`;
      expect(await seed.run(start)).toMatchObject({ code: 0 });
      const log = await seed.untilLogged('probe', /^FACTS .*$/m);
      facts = JSON.parse(/^FACTS (.*)$/m.exec(log)?.[1] ?? '');
    }, longMs);

    it('checklist: Python 3.10+ is installed - in the image of the bot', () => {
      const [major, minor] = facts.python;
      expect(major).toBe(3);
      expect(minor).toBeGreaterThanOrEqual(10);
    });

    it('checklist: Env vars are passed', () => {
      expect(facts.env).toEqual({
        GREETING: 'Привет, мир',
        EMPTY: '',
        SHELL_LIKE: '$(id) ${HOME}',
        TZ: 'Europe/Moscow',
      });
    });

    it('checklist: Memory limit is applied', () => {
      expect(Number(facts.memory)).toBe(256 * 1024 * 1024);
    });

    it('checklist: CPU limit is applied', () => {
      expect(facts.cpu).toBe('50000 100000');
      // One thread that never rests gets half of a core, and a period of the scheduler more at most.
      expect(facts.cpu_share).toBeLessThan(0.65);
    });

    it('checklist: the limit of processes is applied', () => {
      expect(facts.pids).toBe('128');
      expect(facts.children).toBeGreaterThan(50);
      expect(facts.children).toBeLessThan(128);
      expect(facts.refused).toContain('temporarily unavailable');
    });

    it('checklist: One file works', async () => {
      expect(await seed.platform.status('probe')).toMatchObject({ status: 'running', restarts: 0 });
    });

    it('checklist: list shows the bots', async () => {
      const { stdout } = await seed.run('avtomatika-bot list');
      expect(stdout).toMatch(/\(1\/3\)[\s\S]*probe +running/);
    });

    it('checklist: status shows the status', async () => {
      const { code, stdout } = await seed.run('avtomatika-bot status probe');
      expect([code, stdout]).toEqual([0, expect.stringMatching(/probe[\s\S]*running[\s\S]*bot_dev_probe_/)]);
    });

    it('checklist: logs shows the logs', async () => {
      const { code, stdout } = await seed.run('avtomatika-bot logs probe -n 1');
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^FACTS [^\n]*\n$/)]);
    });

    it('checklist: stop stops the bot', async () => {
      const { container_id } = await seed.platform.status('probe');
      expect(await seed.run('avtomatika-bot stop probe')).toMatchObject({ code: 0 });
      expect(await callEngine(host, `/containers/${container_id}/json`)).toMatchObject({ status: 404 });
      expect(await seed.platform.status('probe')).toMatchObject({ status: 'stopped' });
    });
  });

  it('checklist: Memory limit is applied - more than it is an OOM that status shows', async () => {
    file('hog.py', hog);
    const end = await seed.run('avtomatika-bot start hog --simple /tmp/hog.py --memory 64m');
    expect(end.code).toBe(3);
    expect(await seed.platform.status('hog')).toMatchObject({ status: 'crash_loop', oom_killed: true, exit_code: 137 });
    expect((await seed.run('avtomatika-bot status hog')).stdout).toMatch(/memory/i);
    await seed.deleteAll();
  });

  it('checklist: Several files works', async () => {
    file(
      'several/bot.py',
      'import time, texts\nprint(texts.hello, open("words.txt").read(), flush=True)\ntime.sleep(600)\n',
    );
    file('several/texts.py', 'hello = "from a second file"\n');
    file('several/words.txt', 'and a third');
    const end = await seed.run('cd /tmp/several && avtomatika-bot start several --simple bot.py texts.py words.txt');
    expect(end.code).toBe(0);
    await seed.untilLogged('several', 'from a second file and a third');
    await seed.deleteAll();
  });

  describe('a directory', () => {
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, n) => n % 256));
    let log: string;
    beforeAll(async () => {
      file(
        'project/main.py',
        `import hashlib, os, time
import magic_filter
from handlers.deep.part import NAME
names = sorted(os.path.join(folder, name)[2:] for folder, _, files in os.walk(".") for name in files if "pycache" not in folder)
print("packages in", os.path.dirname(os.path.dirname(magic_filter.__file__)), flush=True)
print(NAME, magic_filter.__name__, hashlib.sha256(open("data/pic.bin", "rb").read()).hexdigest(), names, flush=True)
time.sleep(600)
`,
      );
      file('project/handlers/deep/part.py', 'NAME = "deep part"\n');
      file('project/data/pic.bin', bytes);
      file('project/requirements.txt', '# what it needs\n\nmagic-filter>=1.0.12,<1.1  # one requirement\n');
      file('project/Dockerfile', 'FROM nothing\nRUN false\n');
      for (const name of ['.env', '.git/config', '.venv/lib/x.py', '__pycache__/x.pyc']) file(`project/${name}`, 'no');
      const end = await seed.run('avtomatika-bot start project --simple /tmp/project/');
      expect(end).toMatchObject({ code: 0, stderr: expect.stringContaining('Successfully installed magic-filter') });
      log = await seed.untilLogged('project', 'deep part');
    }, longMs);
    afterAll(() => seed.deleteAll());

    it('checklist: Directory works', () => {
      expect(log).toContain(`deep part magic_filter ${createHash('sha256').update(bytes).digest('hex')}`);
      const names = ['Dockerfile', 'data/pic.bin', 'handlers/deep/part.py', 'main.py', 'requirements.txt'];
      expect(log).toContain(`[${names.map((name) => `'${name}'`).join(', ')}]`);
    });

    it("checklist: Virtual environment is created - the bot's packages lie apart from the system's", () => {
      expect(log).toMatch(/^packages in \/packages\//m);
    });

    it('checklist: Requirements are installed', () => {
      expect(log).toContain('Successfully installed magic-filter');
    });
  });

  it('checklist: Telegram bot token is obtained - the bot answers with it', async () => {
    const start = 'avtomatika-bot start asked --simple examples/bots/echo_bot_stdlib.py';
    expect(await seed.run(`${start} -e BOT_TOKEN=${knownToken}`)).toMatchObject({ code: 0 });
    const chat = seed.telegram.chat(knownToken);
    chat.say('hello');
    expect((await chat.answer(30_000)).text).toBe('Echo: hello');
    await seed.deleteAll();
  });

  it('checklist: Bot quota works', async () => {
    const image = { action: 'start', deployment_mode: 'image', docker_image: 'busybox:stable' };
    const all = ['q1', 'q2', 'q3', 'q4'].map((bot_id) => seed.post({ ...image, bot_id }));
    const answers = await Promise.all(all);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 202, 202, 429]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body.error).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { current_bots: 3, max_bots: 3 } });
    await seed.deleteAll();
  });

  it('checklist: Validation returns clear errors', async () => {
    const { status, body } = await seed.post({ action: 'start', bot_id: 'x', deployment_mode: 'simpel', code: 'y' });
    expect([status, body.error.code]).toEqual([400, 'INVALID_DEPLOYMENT_MODE']);
    expect(body.error.message + body.error.hint).toContain('simple');
    const end = await seed.run('avtomatika-bot start x --simple /tmp/no-such-file.py');
    expect(end).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no-such-file.py') });
    expect(end.stderr).not.toMatch(/\bat .*\.ts:\d+/);
  });

  it('checklist: Hint and example are present', async () => {
    const { body } = await seed.post({ action: 'start', bot_id: 'x' });
    expect(Object.keys(body.error)).toEqual(['code', 'message', 'details', 'hint', 'example']);
    expect(body.error.hint).not.toBe('');
    // The example is a request that is accepted as it is.
    const example = await seed.post({ ...body.error.example.data, requirements: [], code: 'print(1)' });
    expect(example.status).toBe(202);
    await seed.deleteAll();
  });

  it('checklist: Docker errors are handled', async () => {
    const code = { action: 'start', bot_id: 'broken', deployment_mode: 'simple', code: 'print(1)' };
    const build = await seed.job({ ...code, requirements: ['no-such-package-anywhere'] });
    expect(build).toMatchObject({ status: 'failed', data: { error: { code: 'BUILD_FAILED' } } });
    expect(build.data.error.details.output_tail).toContain('no-such-package-anywhere');
    const image = { action: 'start', bot_id: 'broken', deployment_mode: 'custom' };
    await seed.git.commit('broken.git', 'main', { Dockerfile: 'FROM busybox:stable\nRUN exit 7\n' });
    const step = await seed.job({ ...image, git_repo: `${seed.git.url}/broken.git` });
    expect(step).toMatchObject({ status: 'failed', data: { error: { code: 'BUILD_FAILED' } } });
    expect(step.data.error.message).toContain('exit code 7');
    expect(await seed.platform.status('broken')).toMatchObject({ status: 'failed' });
  });
});
