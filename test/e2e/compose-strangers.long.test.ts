/**
 * An operator who follows "Strangers" in docs/DEPLOY.md: compose.strangers.yml, TLS in the orchestrator, and all the rest as it comes. Every check
 * holds, bots are started and built from within the worker's container, and what a bot must not reach is out of its reach.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { builderImageName, loadBuilderImage } from '../kit/builder-image.ts';
import { type ComposeWorld, startComposeWorld } from '../kit/compose/compose-world.ts';
import { privateAuthority } from '../kit/compose/private-authority.ts';
import { eventually } from '../kit/eventually.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { assertCode, type CommandEnd, type PageShell, type RunOptions } from '../readme/page-shell.ts';

const longMs = 900_000;
/** Of the page: what it says to write into .env, but the folder of the certificate, which is the reader's own. */
const settings = /```text\n(COMPOSE_FILE=compose\.yml:compose\.tls\.yml:compose\.strangers\.yml\n[^`]+)```/.exec(
  readFileSync(checkoutPath('docs/DEPLOY.md'), 'utf8'),
)?.[1];

describe('strangers by compose', { timeout: longMs }, () => {
  let world: ComposeWorld;
  let shell: PageShell;

  beforeAll(async () => {
    const found = await startComposeWorld([]);
    if ('skip' in found) throw new Error(found.skip);
    world = found;
    await loadBuilderImage(world.engine.dockerHost, world.engine.packages);
    // As for an operator who sets nothing.
    const unset = { EGRESS: '', DISK_LIMITS: '', BUILDER: '' };
    const env = { ...world.env, ...unset, BUILDER_IMAGE: builderImageName, NODE_EXTRA_CA_CERTS: 'tls/cert.pem' };
    shell = world.host.shell(env);
    const { v1, v2 } = world;
    const program = 'skip' in v2 ? v1 : v2;
    if ('skip' in program) throw new Error(program.skip);
    world.host.use(program);
    console.log(
      `docker-compose ${program.version}. Stand-ins for what a hub has: node:24-slim, python:3.11-slim, nats and docker:28.5.2-dind are made of Debian's packages`,
    );
  }, longMs);
  afterAll(async () => {
    await shell?.run('docker-compose down', { limitMs: longMs });
    shell?.[Symbol.dispose]();
    await world?.close();
  }, longMs);

  const done = async (command: string, options?: RunOptions): Promise<CommandEnd> => {
    const end = await shell.run(command, options);
    assertCode(end, 0, command);
    return end;
  };

  it('every check of the doctor holds, and bots start, built by a builder of their own', async () => {
    expect(settings).toBeDefined();
    await done('sh scripts/make-tokens.sh');
    world.host.write('compose.ca.yml', privateAuthority(world.host.dir));
    const own = settings
      ?.replace('/etc/bot-runner/tls', './tls')
      .replace('strangers.yml', 'strangers.yml:compose.ca.yml');
    await done(`cat >> .env <<'END'\n${own}END`);
    await done('docker-compose up -d', { limitMs: longMs });
    await done('AVTOMATIKA_URL=https://localhost:8000');
    await done('ADMIN=$(sed -n s/^ADMIN_TOKEN=//p .env); AVTOMATIKA_TOKEN=$(sed -n s/^CLIENT_TOKEN=//p .env)');
    const found = await eventually(
      'every check holds',
      async () => JSON.parse((await shell.run('avtomatika-bot doctor --json --token $ADMIN')).stdout || '{}'),
      ({ ok }: JsonBody) => ok === true,
      { timeoutMs: 300_000, everyMs: 2000 },
    );
    expect(found.workers[0].safety.checks.map(({ name }: JsonBody) => name)).toEqual([
      ...['runtime', 'isolation', 'egress', 'builder', 'disk', 'tokens', 'tls'],
    ]);
    const shown = await done('avtomatika-bot doctor --token $ADMIN');
    expect(shown.stdout).toContain('Every check holds: strangers may start bots.');
  });

  it('a bot of simple mode runs as the bots’ user, reaches nothing of the platform, and its disk has an end', async () => {
    // The package index is there for builds alone.
    const index = new URL(world.env['PIP_INDEX_URL'] ?? '').host;
    const gateways = [1, 8000].map((port) => `${world.engine.hostAddress.replace(/1$/, '2')}:${port}`);
    const places = ['nats:4222', 'orchestrator:8000', index, ...gateways];
    world.host.write('bots/probe.py', probe(places));
    await done('avtomatika-bot start probe --simple bots/probe.py --disk 64m -r "aiogram>=3.0"', { limitMs: longMs });
    const logs = await eventually(
      'the bot has looked around',
      () => done('avtomatika-bot logs probe'),
      ({ stdout }) => stdout.includes('looked'),
      { timeoutMs: 120_000, everyMs: 500 },
    );
    expect(logs.stdout).toContain('user 10001');
    expect(logs.stdout).not.toContain('reached');
    expect(logs.stdout).toMatch(/No space left on device/);
    await done('avtomatika-bot stop probe');
  });

  it('a Dockerfile is built with BuildKit in the builder of its user, by a worker that is in a container itself', async () => {
    world.host.write('bots/own/bot.py', 'import time\nprint("built apart", flush=True)\ntime.sleep(600)\n');
    const steps = 'RUN --mount=type=cache,target=/cache pip install --target /packages "aiogram>=3.0"';
    world.host.write(
      'bots/own/Dockerfile',
      `FROM python:3.11-slim\nARG PIP_INDEX_URL\nARG PIP_TRUSTED_HOST\n${steps}\nCOPY --chmod=644 bot.py /\nCMD ["python", "/bot.py"]\n`,
    );
    await done('avtomatika-bot start own --custom bots/own', { limitMs: longMs });
    const logs = () => done('avtomatika-bot logs own');
    await eventually('it runs', logs, ({ stdout }) => stdout.includes('built apart'), {
      timeoutMs: 120_000,
      everyMs: 500,
    });
    const builders = await done("docker ps --filter label=bot_runner.builder --format '{{.Image}}'");
    expect(builders.stdout).toContain(builderImageName);
    // The bots' engine has it, and nobody's Dockerfile can see it.
    const [image = ''] = (await done('docker images --no-trunc --quiet --filter label=bot_id=own')).stdout.split('\n');
    expect(image).toMatch(/^sha256:/);
    world.host.write('bots/peek/Dockerfile', `FROM ${image}\nRUN echo peeked\n`);
    const peek = await shell.run('avtomatika-bot start peek --custom bots/peek', { limitMs: longMs });
    expect([peek.code, peek.stdout + peek.stderr]).toEqual([1, expect.stringContaining('BUILD_FAILED')]);
    expect(peek.stdout).not.toMatch(/^\W*peeked/m);
  });

  it('what fails is named, starts are refused until it is right, and bots that run are left alone', async () => {
    const worker = 'docker-compose exec -T bot-runner-worker';
    await done(`${worker} node worker/doctor.ts`);
    await done('DISK_LIMITS=watch docker-compose up -d bot-runner-worker', { limitMs: longMs });
    const refused = await eventually(
      'the check of disks fails',
      () => shell.run('avtomatika-bot doctor --token $ADMIN'),
      ({ code, stdout }) => code !== 0 && stdout.includes('DISK_LIMITS=sized'),
      { timeoutMs: 300_000, everyMs: 2000 },
    );
    expect(refused.stdout).toContain('disk');
    const start = await shell.run(`avtomatika-bot start late --code 'print(1)'`, { limitMs: longMs });
    expect(start.code).not.toBe(0);
    expect(start.stdout + start.stderr).toContain('SAFETY_CHECK_FAILED');
    expect((await done('avtomatika-bot list')).stdout).toMatch(/own +running/);
    await done('DISK_LIMITS= docker-compose up -d bot-runner-worker', { limitMs: longMs });
    await eventually(
      'every check holds again',
      () => shell.run('avtomatika-bot doctor --token $ADMIN'),
      ({ code }) => code === 0,
      { timeoutMs: 300_000, everyMs: 2000 },
    );
    for (const bot of ['probe', 'own']) await done(`avtomatika-bot delete ${bot} --purge --yes`, { limitMs: longMs });
  });
});

/** What a bot finds: its user, which of these places answer, and the end of its disk. */
const probe = (places: readonly string[]): string => `import os, socket, time
print("user", os.getuid(), flush=True)
for place in ${JSON.stringify(places)}:
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3)
        print("reached", place, flush=True)
    except OSError:
        pass
try:
    with open("/data/filler", "wb") as file:
        for _ in range(128):
            file.write(bytes(1024 * 1024))
except OSError as error:
    print(error.strerror, flush=True)
os.remove("/data/filler")
print("looked", flush=True)
time.sleep(600)
`;
