/**
 * What a hostile bot, image or build does on a real engine. On the deviations from stricter lists: an image's own user runs, root with six
 * capabilities (adr/0023), a VOLUME is a volume of the bot, and LD_PRELOAD is the bot's own affair: nothing of ours runs with its environment.
 */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { dockerRuntime, rawEngine, removeAllOf } from '../contract/docker-harness.ts';
import { botPlan, buildBot, patience, readAll, second, textsOf, untilPrinted } from '../contract/harness.ts';
import { buildContext } from '../contract/images.ts';
import { usableDocker } from '../kit/test-docker.ts';

const given = inject('docker');
const docker = usableDocker(given);
const program = (name: string) => readFileSync(new URL(`programs/${name}`, import.meta.url), 'utf8');

describe.skipIf('skip' in given)('on a Docker engine', { timeout: 120 * second }, () => {
  const userId = 'hostile';
  const workerId = 'worker-h';
  const network = 'hostile_bots';
  const canary = 'canary-5b1e';
  const engine = rawEngine(docker);
  const runtime = dockerRuntime(docker, {
    network,
    workerId,
    buildSettings: { pipIndexUrl: `http://ann:${canary}@index.invalid/simple` },
    signingKey: new Secret<Uint8Array>(new TextEncoder().encode(canary.repeat(4).slice(0, 32))),
  });
  let image: string;

  beforeAll(async () => {
    const files = { 'attack.py': program('attack.py') };
    image = await buildBot(runtime, 'python', { key: { userId, botId: 'attacker' }, workerId, files });
  }, 60 * second);
  afterEach(async () => {
    for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
  });
  afterAll(() => removeAllOf(engine, userId, network));

  const begin = async (attack: string, env: Record<string, string> = {}, botId = 'attacker') => {
    const plan = botPlan({ key: { userId, botId }, workerId, language: 'python', env: { ...env, ATTACK: attack } });
    const run = { kind: 'simple', language: 'python', entrypoint: 'attack.py' } as const;
    const id = await runtime.create({ ...plan, image, run }, patience());
    await runtime.start(id, patience());
    return id;
  };
  const over = async (id: string) => {
    await untilPrinted(runtime, id, 'over');
    return textsOf((await readAll(runtime, id)).lines);
  };
  const build = (botId: string, dockerfile: string, onOutput: (line: string) => void = () => {}) =>
    buildContext(runtime, { key: { userId, botId }, workerId, dockerfile, onOutput });

  it('hostile 86, 88, 90: a bot may neither forge packets nor reach for the kernel, and sees what Docker masks', async () => {
    const lines = await over(await begin('network kernel'));
    expect(lines.length).toBeGreaterThan(45);
    expect(lines.filter((line) => line.endsWith(' DONE'))).toEqual([]);
  });

  it('hostile 26, 92: a bot finds no token of the platform, and what loads into it loads into nothing of ours', async () => {
    const env = {
      LD_PRELOAD: '/app/evil.so',
      PYTHONPATH: '/app/evil',
      PATH: '/usr/local/bin:/usr/bin:/bin',
      DOCKER_HOST: 'tcp://x',
    };
    const lines = (await over(await begin('look', env))).join('\n');
    expect(lines).toContain("'LD_PRELOAD': '/app/evil.so'");
    expect(lines).toContain('looked');
    expect(lines).not.toMatch(/canary-|BOTRUNNER_(?!DATA_DIR)|WORKER_TOKEN|docker\.sock/);
    // Besides what every container has, and its volume, nothing of the host is mounted.
    const mounted = [...lines.matchAll(/^\d+ \d+ \d+:\d+ (\S+) (\S+) /gm)].filter(([, root]) =>
      root?.includes('/containers/'),
    );
    expect(mounted.map(([, , target]) => target).toSorted()).toEqual([
      '/etc/hostname',
      '/etc/hosts',
      '/etc/resolv.conf',
    ]);
  });

  it('hostile 81, 83, 89: a bot that forks, fills /dev/shm and leaves children is bounded, and gone when it is removed', async () => {
    const id = await begin('fill linger forks');
    const other = await begin('', {}, 'neighbour');
    const lines = await over(id);
    expect(lines).toContain('wrote 64 MiB');
    const stopped = lines.filter((line) => line.startsWith('stopped at'));
    for (const line of stopped) expect(Number(line.split(' ')[2])).toBeLessThan(128);
    expect(stopped.length).toBeGreaterThan(0);
    await untilPrinted(runtime, other, 'over');
    await runtime.remove(id, patience());
    const left = list(await engine.get('/containers/json', { all: true, filters: { label: [`user_id=${userId}`] } }));
    expect(left.map((container) => text(record(container)['Id']))).toEqual([other]);
  });

  it('hostile 76: an image says who runs in it and what its data is, and nothing of how it is confined', async () => {
    const dockerfile = [
      'FROM python:3.11-slim',
      'RUN cp "$(readlink -f "$(command -v python3)")" /root-python && chmod 4755 /root-python',
      'USER 4321',
      'EXPOSE 22 80 443',
      'VOLUME ["/etc", "/data", "/var/lib/x"]',
      'LABEL user_id=victim worker_id=other bot_runner=true sig=forged',
      'STOPSIGNAL SIGKILL',
      'HEALTHCHECK --interval=1ms CMD true',
      'CMD /root-python -c "import os; print(os.geteuid())"; echo over; sleep 1000',
    ].join('\n');
    const key = { userId, botId: 'odd-image' };
    const built = await build(key.botId, `${dockerfile}\n`);
    const id = await runtime.create(
      { ...botPlan({ key, workerId, language: 'python' }), image: built, run: { kind: 'image' } },
      patience(),
    );
    await runtime.start(id, patience());
    expect(await over(id)).toEqual(['4321', 'over']);
    const facts = record(await engine.get(`/containers/${id}/json`));
    expect(facts['HostConfig']).toMatchObject({
      Privileged: false,
      PublishAllPorts: false,
      CapDrop: ['ALL'],
      Binds: null,
    });
    expect(record(record(facts['HostConfig'])['PortBindings'] ?? {})).toEqual({});
    expect(record(record(facts['Config'])['Healthcheck'])).toMatchObject({
      Test: ['CMD-SHELL', 'true'],
      Interval: 1e10,
    });
    expect(record(record(facts['Config'])['Labels'])).toMatchObject({ user_id: userId, worker_id: workerId });
    const mounts = list(facts['Mounts']).map(record);
    // Each is a volume with a name, which is the bot's and goes with it.
    expect(mounts.map(({ Destination }) => text(Destination)).toSorted()).toEqual(['/data', '/etc', '/var/lib/x']);
    for (const { Type, Name } of mounts) expect([Type, Name]).toEqual(['volume', expect.stringMatching(/^bot_/)]);
  });

  it('hostile 76: an image that declares all of its files as a volume is refused by name', async () => {
    const key = { userId, botId: 'all-volume' };
    const built = await build(key.botId, 'FROM busybox:stable\nVOLUME //\nCMD echo over\n');
    const volumes = async () => list(record(await engine.get('/volumes'))['Volumes']).length;
    const before = await volumes();
    const plan = { ...botPlan({ key, workerId, language: 'python' }), image: built, run: { kind: 'image' } as const };
    await expect(runtime.create(plan, patience())).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR', hint: expect.stringContaining('VOLUME /') },
    });
    expect(await volumes()).toBe(before);
  });

  it('hostile 50: a build that prints without end, forks and listens ends, is reported in part, and leaves nothing', async () => {
    const before = list(await engine.get('/containers/json', { all: true })).length;
    const lines: string[] = [];
    const flood = 'i=0; while [ $i -lt 20 ]; do head -c 2000000 /dev/zero | tr "\\0" x; echo; i=$((i+1)); done';
    const listen = 'nc -l -p 8080 > /dev/null & nc -l -p 8081 > /dev/null &';
    const dockerfile = `FROM busybox:stable\nRUN ${listen} ${flood}; exit 3\n`;
    const built = build('flood', dockerfile, (line) => {
      lines.push(line);
    });
    const failure = await built.catch((error: unknown) => error);
    expect(failure).toMatchObject({ problem: { code: 'BUILD_FAILED' } });
    expect(JSON.stringify(failure).length).toBeLessThan(100_000);
    expect(lines.filter((line) => line === '[a line of more than 1 MiB was left out]')).toHaveLength(20);
    expect(lines.join().length).toBeLessThan(100_000);
    expect(list(await engine.get('/containers/json', { all: true })).length).toBe(before);
  });
});
