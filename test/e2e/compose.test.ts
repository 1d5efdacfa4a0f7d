/** The platform as an operator runs it: images, compose files of development and production, by docker compose v2 and 1.29. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { projectName } from '../kit/compose/compose-host.ts';
import { type ComposeWorld, startComposeWorld } from '../kit/compose/compose-world.ts';
import { startForward } from '../kit/compose/forward.ts';
import { privateAuthority } from '../kit/compose/private-authority.ts';
import { eventually } from '../kit/eventually.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { fencedBlocks } from '../readme/fenced-blocks.ts';
import { assertCode, type CommandEnd, type PageShell, type RunOptions } from '../readme/page-shell.ts';

const token = '424242:compose-token-of-the-echo-bot-AAAAAAA';
const longMs = 180_000;
const services = ['bot-runner-worker', 'nats', 'orchestrator'];

/** A block of docs/DEPLOY.md by its name, for the docker-compose of the test. */
function pageBlock(name: string): string {
  const block = fencedBlocks(readFileSync(checkoutPath('docs/DEPLOY.md'), 'utf8')).find(({ file }) => file === name);
  if (block === undefined) throw new Error(`docs/DEPLOY.md has no block ${name}`);
  return block.text.replaceAll('docker compose', 'docker-compose');
}

describe('the platform by compose', { timeout: longMs }, () => {
  let found: ComposeWorld | { skip: string };
  let dev: PageShell;
  let up = false;

  beforeAll(async () => {
    found = await startComposeWorld([token]);
    if ('skip' in found) {
      if (process.env['BOTRUNNER_TEST_REQUIRE_DOCKER'] === '1') throw new Error(found.skip);
      return;
    }
    dev = found.host.shell({ ...found.env, AVTOMATIKA_TOKEN: 'test-client-token' });
    // What must not get into an image.
    found.host.write('.env.local', `CANARY=${canary}\n`);
    found.host.write('worker/secrets/.env', `CANARY=${canary}\n`);
    found.host.write('notes.txt', canary);
  }, longMs);
  afterAll(async () => {
    dev?.[Symbol.dispose]();
    if (found && !('skip' in found)) await found.close();
  }, longMs);

  const canary = 'canary-of-the-checkout-7d1f2c';
  type Skip = (why: string) => never;
  const world = (skip: Skip): ComposeWorld => ('skip' in found ? skip(found.skip) : found);
  const platform = (skip: Skip): ComposeWorld => {
    const all = world(skip);
    return up ? all : skip('the platform did not come up');
  };
  const done = async (shell: PageShell, command: string, options?: RunOptions): Promise<CommandEnd> => {
    const end = await shell.run(command, options);
    assertCode(end, 0, command);
    return end;
  };
  const engine = async (path: string): Promise<JsonBody> => {
    if ('skip' in found) throw new Error(found.skip);
    return JSON.parse((await callEngine(found.engine.dockerHost, path)).text);
  };
  /** Containers of compose, by service. */
  const containers = async (project = projectName): Promise<Record<string, JsonBody>> => {
    const filter = JSON.stringify({ label: [`com.docker.compose.project=${project}`] });
    const listed = await engine(`/containers/json?all=1&filters=${encodeURIComponent(filter)}`);
    const inspected = await Promise.all(listed.map(({ Id }: JsonBody) => engine(`/containers/${Id}/json`)));
    return Object.fromEntries(inspected.map((each) => [each.Config.Labels['com.docker.compose.service'], each]));
  };
  const untilHealthy = (names: readonly string[], project?: string) =>
    eventually(
      `${names.join(', ')}: healthy`,
      async () => {
        const all = Object.entries(await containers(project));
        return Object.fromEntries(all.map(([name, { State }]) => [name, State.Health?.Status ?? State.Status]));
      },
      (states) => names.every((name) => states[name] === 'healthy'),
      { timeoutMs: 90_000, everyMs: 250 },
    );

  it("chapter 5 of the guide works word for word, with NATS in Redis' place", async ({ skip }) => {
    const { host, telegram, v1, v2 } = world(skip);
    // The guide's container names are those of v2.
    if (!('skip' in v2)) host.use(v2);
    else if (!('skip' in v1)) host.use(v1);

    await done(dev, 'docker-compose -f docker-compose.bot-runner.yml up -d', { limitMs: longMs });
    await untilHealthy(services);
    up = true;
    const ps = await done(dev, 'docker-compose -f docker-compose.bot-runner.yml ps');
    for (const name of services) expect(ps.stdout).toContain(name);
    const followed = await dev.run('docker-compose -f docker-compose.bot-runner.yml logs -f', {
      interruptWhen: (stdout) => stdout.includes('orchestrator is listening'),
    });
    expect(followed.stdout).toContain('orchestrator is listening');

    if (!('skip' in v2)) {
      const health = await done(dev, 'docker exec avtomatika-nats-1 wget -q -O - http://localhost:8222/healthz');
      expect(health.stdout).toContain('"status":"ok"');
    }
    // The orchestrator is its one client.
    const varz = `docker exec avtomatika-nats-1 wget -q -O - http://localhost:8222/varz`;
    await eventually(
      'the orchestrator publishes',
      () => dev.run(varz),
      ({ stdout }) => /"connections": 1,/.test(stdout),
      {
        timeoutMs: 30_000,
      },
    );
    expect((await done(dev, 'curl http://localhost:8000/health')).stdout).toBe('{"status":"ok"}');
    const workerLog = await done(dev, 'docker-compose -f docker-compose.bot-runner.yml logs bot-runner-worker');
    expect(workerLog.stdout).toContain('the engine answers: docker');

    await done(dev, 'export AVTOMATIKA_TOKEN=test-client-token');
    const started = await done(
      dev,
      `avtomatika-bot start echo-bot --simple examples/bots/echo_bot.py \\\n  -r "aiogram>=3.0" \\\n  -e BOT_TOKEN=${token}`,
    );
    expect(started.stdout).toContain('echo-bot is running.');
    const chat = telegram.chat(token);
    chat.say('hello');
    expect((await chat.answer(30_000)).text).toBe('Echo: hello');
    await eventually(
      'it is listed as running',
      () => done(dev, 'avtomatika-bot list'),
      ({ stdout }) => /echo-bot +running/.test(stdout),
      { timeoutMs: 30_000, everyMs: 250 },
    );
    const logs = await eventually(
      'the log has the answer',
      () => done(dev, 'avtomatika-bot logs echo-bot'),
      ({ stdout }) => stdout.includes('hello'),
      { timeoutMs: 30_000 },
    );
    expect(logs.stdout).toContain('Run polling for bot');
    await done(dev, 'avtomatika-bot stop echo-bot');
    expect((await done(dev, 'avtomatika-bot list')).stdout).toMatch(/echo-bot +stopped/);
  });

  it('the containers of the platform have no more rights than they need', async ({ skip }) => {
    platform(skip);
    const all = await containers();
    expect(Object.keys(all).toSorted()).toEqual(services);
    for (const { HostConfig, Mounts } of Object.values(all)) {
      expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false, Init: true });
      expect(HostConfig.SecurityOpt).toEqual(['no-new-privileges:true']);
      expect(HostConfig.CapAdd ?? []).toEqual([]);
      expect(Mounts.filter(({ Type }: JsonBody) => Type === 'bind')).toHaveLength(HostConfig.Binds?.length ?? 0);
    }
    const { 'bot-runner-worker': worker, nats, orchestrator } = all;
    expect([orchestrator?.Config.User, nats?.Config.User, worker?.Config.User]).toEqual([
      '1000:1000',
      '65534:65534',
      '0:0',
    ]);
    expect(orchestrator?.HostConfig.PortBindings).toEqual({ '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '8000' }] });
    expect(nats?.HostConfig.PortBindings ?? {}).toEqual({});
    const destinations = (each: JsonBody): string[] =>
      each.Mounts.map(({ Destination }: JsonBody) => Destination).toSorted();
    expect(destinations(orchestrator)).toEqual(['/data']);
    expect(destinations(worker)).toEqual(['/data', '/var/run/docker.sock']);
    expect((await engine(`/networks/${projectName}_events`)).Internal).toBe(true);
  });

  it('an image holds the program and nothing else of the checkout, and its history names no registry', async ({
    skip,
  }) => {
    const { env } = platform(skip);
    for (const [service, rooms] of [
      ['orchestrator', ['common', 'gen', 'orchestrator']],
      ['bot-runner-worker', ['common', 'gen', 'worker']],
    ] as const) {
      const inside = (script: string) =>
        done(dev, `docker exec avtomatika-${service}-1 sh -c '${script}'`.replaceAll('avtomatika-', `${projectName}-`));
      const listed = (await inside('ls -A /opt/bot-runner')).stdout.trim().split('\n');
      expect(listed.toSorted()).toEqual([...rooms, 'node_modules', 'package.json'].toSorted());
      const unwanted = '-name "*.test.ts" -o -name ".env*" -o -name "*.md" -o -name ".npmrc" -o -name "*.log"';
      const own = 'find /opt/bot-runner -path "*/node_modules" -prune -o -type f';
      expect((await inside(`${own} \\( ${unwanted} \\) -print; ls -A /root`)).stdout).toBe('');
      const packages = (await inside('ls /opt/bot-runner/node_modules')).stdout.split('\n');
      expect(packages).toContain('@connectrpc');
      expect(packages.filter((name) => /^(vitest|typescript|node|@biomejs|@bufbuild\/buf)$/.test(name))).toEqual([]);
      const image = (await containers())[service]?.Image;
      const said = JSON.stringify([await engine(`/images/${image}/history`), await engine(`/images/${image}/json`)]);
      for (const secret of [env['NPM_CONFIG_REGISTRY'] ?? '', canary, 'test-client-token', 'test-worker-token']) {
        expect(said).not.toContain(secret);
      }
    }
  });

  it("the worker's health is whether it has a session and an engine", async ({ skip }) => {
    platform(skip);
    const check = () => dev.run(`docker exec ${projectName}-bot-runner-worker-1 node worker/health-check.ts`);
    expect(await check()).toMatchObject({ code: 0, stdout: 'healthy\n' });
    await done(dev, 'docker-compose -f docker-compose.bot-runner.yml stop orchestrator');
    await eventually('it has no session', check, ({ code }) => code === 1, { timeoutMs: 30_000, everyMs: 200 });
    expect((await check()).stdout).toMatch(/^no session with an orchestrator: .* check that it runs/);
    await done(dev, 'docker-compose -f docker-compose.bot-runner.yml start orchestrator');
    await eventually('it has one again', check, ({ code }) => code === 0, { timeoutMs: 30_000, everyMs: 200 });
  });

  it("the firewall is made by the worker's own image", async ({ skip }) => {
    platform(skip);
    await eventually(
      'the worker says that there is one',
      () => dev.run('docker-compose -f docker-compose.bot-runner.yml logs bot-runner-worker'),
      ({ stdout }) => stdout.includes('a firewall bounds what bots and builds can reach'),
      { timeoutMs: 60_000, everyMs: 250 },
    );
    expect(JSON.stringify(await engine('/images/json'))).not.toContain('bot_runner_nft');
  });

  it('a bot runs on, and nothing is forgotten, while the platform is down and comes up by the other docker-compose', async ({
    skip,
  }) => {
    const { host, telegram, v1, v2 } = platform(skip);
    const command = 'docker-compose -f docker-compose.bot-runner.yml';
    await done(
      dev,
      `avtomatika-bot start echo-bot --simple examples/bots/echo_bot.py -r "aiogram>=3.0" -e BOT_TOKEN=${token}`,
    );
    const before = JSON.parse((await done(dev, 'avtomatika-bot status echo-bot --json')).stdout);
    const container = before.container_id;
    await done(dev, `${command} down`);
    expect(Object.keys(await containers())).toEqual([]);
    expect((await engine(`/containers/${container}/json`)).State.Running).toBe(true);
    const chat = telegram.chat(token);
    chat.say('still there?');
    expect((await chat.answer(30_000)).text).toBe('Echo: still there?');

    if (!('skip' in v1) && !('skip' in v2)) host.use(v1);
    await done(dev, `${command} up -d`, { limitMs: longMs });
    const after = await eventually(
      'the bot is reported again',
      async () => JSON.parse((await done(dev, 'avtomatika-bot status echo-bot --json')).stdout),
      ({ status, observed_at }) => status === 'running' && observed_at > before.observed_at,
      { timeoutMs: 60_000, everyMs: 250 },
    );
    expect(after).toMatchObject({ container_id: container, started_at: before.started_at, restarts: 0 });
    expect((await done(dev, 'avtomatika-bot logs echo-bot')).stdout).toContain('still there?');
    await done(dev, `${command} ps`);
    await done(dev, `${command} down`);
  });

  it('production starts with tokens of its own only', async ({ skip }) => {
    const { env, host } = platform(skip);
    using shell = host.shell({ ...env, ORCHESTRATOR_LISTEN: '0.0.0.0:8000' });
    const none = await shell.run('docker-compose up -d');
    expect(none.code).not.toBe(0);
    expect(none.stderr).toContain('there are no tokens yet, make them with: sh scripts/make-tokens.sh');

    host.write('.env', 'CLIENT_TOKEN=test-client-token\nWORKER_TOKEN=test-worker-token\nALLOW_CLEARTEXT=1\n');
    const seeds = await shell.run('docker-compose run --rm --no-deps orchestrator', { limitMs: longMs });
    expect(seeds.code).not.toBe(0);
    const refusal = 'CLIENT_TOKEN is a development token, which everybody knows, and HOST 0.0.0.0 is not loopback';
    expect(seeds.stdout + seeds.stderr).toContain(refusal);
    expect(seeds.stdout + seeds.stderr).toContain('sh scripts/make-tokens.sh generates them');

    await done(shell, 'rm .env');
    using plain = host.shell(env);
    // The page's two lines, with nothing else: reached from this host alone.
    const [makes = '', starts = ''] = pageBlock('production.sh').split('\n');
    const made = await done(plain, makes);
    await done(plain, starts, { limitMs: longMs });
    const [reads = '', lists = ''] = pageBlock('client.sh').split('\n');
    await eventually(
      'the bot of the development platform is there with the new token',
      () => plain.run(`${reads}\n${lists.replace('npx ', '')}`),
      ({ stdout }) => /echo-bot +running/.test(stdout),
      { timeoutMs: 60_000, everyMs: 250 },
    );
    await done(plain, 'docker-compose down');
    const file = join(host.dir, '.env');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const tokens = [...readFileSync(file, 'utf8').matchAll(/^\w+_TOKEN=([\w-]{32})$/gm)].map(([, value = '']) => value);
    expect(new Set(tokens).size).toBe(3);
    for (const value of tokens) expect(made.stdout + made.stderr).not.toContain(value);
    const again = await shell.run('sh scripts/make-tokens.sh');
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('is there already and was not changed')]);

    const cleartext = await shell.run('docker-compose run --rm --no-deps orchestrator', { limitMs: longMs });
    expect(cleartext.code).not.toBe(0);
    expect(cleartext.stdout + cleartext.stderr).toContain(
      'set TLS_CERT and TLS_KEY, or ALLOW_CLEARTEXT=1 behind a TLS proxy',
    );

    host.write('compose.ca.yml', privateAuthority(host.dir));
    const files = 'COMPOSE_FILE=compose.yml:compose.tls.yml:compose.ca.yml';
    const settings = [
      files,
      'TLS_FOLDER=./tls',
      'PUBLIC_NAME=bots.example.org',
      'ORCHESTRATOR_LISTEN=0.0.0.0:8000',
    ].join('\n');
    await done(shell, `echo '${settings}' >> .env`);
    await done(shell, 'docker-compose up -d', { limitMs: longMs });
    const own = 'AVTOMATIKA_URL=https://localhost:8000 NODE_EXTRA_CA_CERTS=tls/cert.pem';
    await eventually(
      'the bot of the development platform is there with the new token',
      () => shell.run(`${own} AVTOMATIKA_TOKEN=$(sed -n s/^CLIENT_TOKEN=//p .env) avtomatika-bot list`),
      ({ stdout }) => /echo-bot +running/.test(stdout),
      { timeoutMs: 60_000, everyMs: 250 },
    );
    expect((await shell.run(`${own} AVTOMATIKA_TOKEN=test-client-token avtomatika-bot list`)).code).toBe(5);
    for (const check of ['orchestrator node orchestrator', 'bot-runner-worker node worker']) {
      await done(shell, `docker-compose exec -T ${check}/health-check.ts`);
    }
  });

  it('a backup by the page is a store that can be restored by the page', async ({ skip }) => {
    const { env, host, telegram } = platform(skip);
    using shell = host.shell(env);
    await done(shell, 'set -a; AVTOMATIKA_URL=https://localhost:8000; NODE_EXTRA_CA_CERTS=tls/cert.pem');
    await done(shell, 'export AVTOMATIKA_TOKEN=$(sed -n s/^CLIENT_TOKEN=//p .env)');
    const answers = async (text: string) => {
      const chat = telegram.chat(token);
      chat.say(text);
      return (await chat.answer(60_000)).text;
    };
    expect(await answers('before')).toBe('Echo: before');
    await done(shell, `set -e; ${pageBlock('backup.sh')}`);
    const answering = () => shell.run('avtomatika-bot list');
    await eventually('it is up again', answering, ({ code }) => code === 0, { timeoutMs: 60_000, everyMs: 500 });
    await done(shell, 'avtomatika-bot stop echo-bot');
    await done(shell, `set -e; ${pageBlock('restore.sh')}`);
    await eventually('it is up with the copy', answering, ({ code }) => code === 0, {
      timeoutMs: 60_000,
      everyMs: 500,
    });
    // It ran when the copy was made, and was stopped since: the operator says which of the two holds, by the id in the log.
    const log = await eventually(
      'the log asks',
      () => done(shell, 'docker-compose logs orchestrator'),
      ({ stdout }) => /ACCEPT_RESTORE=[0-9a-f]+/.test(stdout),
      { timeoutMs: 60_000, everyMs: 500 },
    );
    expect((await done(shell, 'avtomatika-bot status echo-bot')).stdout).toContain('restored from a backup');
    await done(shell, `echo '${/ACCEPT_RESTORE=[0-9a-f]+/.exec(log.stdout)?.[0]}' >> .env`);
    await done(shell, 'docker-compose up -d orchestrator', { limitMs: longMs });
    expect(await answers('after')).toBe('Echo: after');
    await done(shell, "sed -i '/^ACCEPT_RESTORE=/d' .env");
    await eventually(
      'it is reported as running',
      () => done(shell, 'avtomatika-bot list'),
      ({ stdout }) => /echo-bot +running/.test(stdout),
      { timeoutMs: 30_000, everyMs: 250 },
    );
  });

  it('a worker of a second host joins with its token and the address alone', async ({ skip }) => {
    const { engine: own, env, host } = platform(skip);
    // Containers in two networks on one engine cannot reach each other, so it goes by way of this machine.
    const target = { host: own.hostAddress.replace(/\.1$/, '.2'), port: 8000 };
    await using forward = await startForward(own.hostAddress, target);
    using shell = host.shell({ ...env, COMPOSE_PROJECT_NAME: 'second', WORKER_ID: 'bot-runner-2' });
    const command = 'docker-compose -f compose.worker.yml -f compose.ca.yml';
    const alone = await shell.run(`${command} up -d`);
    expect(alone.code).not.toBe(0);
    expect(alone.stderr).toContain('such as https://bots.example.org:8000');
    const address = `https://${own.hostAddress}:${forward.port}`;
    await done(shell, `export ORCHESTRATOR_URL=${address}`);
    await done(shell, `${command} up -d`, { limitMs: longMs });
    await eventually(
      'it has a session',
      () => shell.run(`${command} exec -T bot-runner-worker node worker/health-check.ts`),
      ({ code }) => code === 0,
      { timeoutMs: 60_000, everyMs: 500 },
    );
  });
});
