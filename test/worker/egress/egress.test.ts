/** The firewall on a real engine, in a network made for the test: what bots and builds can reach, and what they cannot. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Clock, systemClock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { systemResolve } from '../../../worker/fetch/fetched.ts';
import type { ContainerRuntime } from '../../../worker/runtime/container-runtime.ts';
import type { BuilderOptions } from '../../../worker/runtime/docker/builder/make-builders.ts';
import { createDockerRuntime } from '../../../worker/runtime/docker/docker-runtime.ts';
import { parseEgress } from '../../../worker/runtime/docker/egress/egress-setting.ts';
import { parsePlace } from '../../../worker/runtime/docker/egress/places.ts';
import { nameServers } from '../../../worker/runtime/docker/egress/resolvers.ts';
import { bridgePrefix } from '../../../worker/runtime/docker/network-names.ts';
import { createPrivateImages } from '../../../worker/state/private-images.ts';
import { fetchFileWith, rawEngine, removeNetworks } from '../../contract/docker-harness.ts';
import { botPlan, patience, readAll, textsOf, untilExited } from '../../contract/harness.ts';
import { buildContext } from '../../contract/images.ts';
import { builderImageName } from '../../kit/builder-image.ts';
import { type NetworkWorld, startNetworkWorld, world } from '../../kit/network-world.ts';
import { debianPackages } from '../../kit/private-engine/debian-packages.ts';
import { callEngine } from '../../kit/private-engine/engine-api.ts';
import { defaultCacheDir } from '../../kit/private-engine/private-engine.ts';
import { runProgram } from '../../kit/private-engine/run-program.ts';
import { createRecordingLogger } from '../../kit/recording-logger.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { loadProber, outcomes, type Probes, proberImage, probesEnv, probesText } from './prober.ts';

const given = inject('docker');
const docker = usableDocker(given);
const { namespacePath, podman } = docker;
const reason =
  'skip' in given
    ? given.skip
    : podman !== undefined
      ? 'there is no firewall on Podman'
      : namespacePath === undefined && 'the engine is not private: its network is not to be changed';

const base = 'egress_bots';
const workerId = 'worker-egress';
const userId = 'egress';
const refused = 'no No route to host';

describe.skipIf(reason)('what bots and builds reach', { timeout: 120_000 }, () => {
  const engine = rawEngine(docker);
  const dir = mkdtempSync(join(tmpdir(), 'egress-'));
  let surroundings: NetworkWorld;
  let programs: NodeJS.ProcessEnv;
  let passedMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs };

  beforeAll(async () => {
    const tree = await debianPackages(join(defaultCacheDir, 'nft'), ['nftables']);
    programs = { PATH: tree.programPath(), LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':') };
    surroundings = await startNetworkWorld(namespacePath ?? '');
    await loadProber(docker.host);
  }, 120_000);
  afterAll(async () => {
    await removeNetworks(engine, base);
    await surroundings?.close();
    rmSync(dir, { recursive: true });
  }, 60_000);

  const places = (...texts: readonly string[]) => texts.flatMap((text) => parsePlace(text) ?? []);
  const runtime = (
    egress: string | undefined,
    choice: { logger?: Logger; programs?: NodeJS.ProcessEnv; builder?: BuilderOptions } = {},
  ): ContainerRuntime =>
    createDockerRuntime({
      dockerHost: docker.host,
      codeDir: join(dir, 'code'),
      sealKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
      network: base,
      egress: egress === undefined ? undefined : parseEgress(egress),
      firewallMark: join(dir, 'firewall'),
      programs: choice.programs ?? programs,
      places: {
        forBots: places(`${world.lan}:8000`),
        forBuilds: places(`${world.lan}:6379`),
        refused: places(`${world.orchestrator}:8000`),
      },
      fetchAllow: [],
      resolve: systemResolve,
      fetchFile: fetchFileWith([]),
      privateImages: createPrivateImages({}, async () => {}),
      baseImages: { python: 'python:3.11-slim', node: 'node:24-slim' },
      buildSettings: {},
      builder: choice.builder,
      workerId,
      signingKey: new Secret<Uint8Array>(new Uint8Array(32).fill(5)),
      clock,
      logger: choice.logger ?? silentLogger,
    });

  const safety = async (of: ContainerRuntime, wanted: string) =>
    (await of.safety(patience())).find(({ name }) => name === wanted);

  /** What a bot started now can reach. */
  async function bot(of: ContainerRuntime, probes: Probes, botId = 'prober') {
    const key = { userId, botId };
    const plan = {
      ...botPlan({ key, workerId, language: 'python' }),
      image: proberImage,
      run: { kind: 'image' } as const,
    };
    const id = await of.create({ ...plan, env: probesEnv(probes) }, patience());
    try {
      await of.start(id, patience());
      await untilExited(of, id);
      return outcomes(textsOf((await readAll(of, id)).lines));
    } finally {
      await of.remove(id, patience());
    }
  }

  async function build(of: ContainerRuntime, probes: Probes) {
    const lines: string[] = [];
    const key = { userId, botId: 'built' };
    const dockerfile = `FROM ${proberImage}\nRUN PROBES="${probesText(probes)}" python3 /probe.py\n`;
    await buildContext(of, { key, workerId, dockerfile, onOutput: (line) => lines.push(line) });
    await of.removeImages(key, [], patience());
    return outcomes(lines);
  }

  /** The addresses of the engine's host: in the bots' network, on the LAN, public. */
  async function hosts(of: ContainerRuntime): Promise<Probes> {
    await bot(of, {});
    const networks = (await engine.get('/networks')) as { Name: string; IPAM: { Config: { Gateway?: string }[] } }[];
    const gateway = networks.find(({ Name }) => Name.startsWith(`${base}_${userId}_`))?.IPAM.Config[0]?.Gateway;
    const lan = docker.hostAddress.replace(/\.1$/, '.2');
    const port = surroundings.hostPort;
    return { gateway: `${gateway}:${port}`, 'host-lan': `${lan}:${port}`, 'host-public': `203.0.113.1:${port}` };
  }

  const outside: Probes = {
    https: `${world.public}:443`,
    http: `${world.public}:80`,
    metadata: `${world.metadata}:80`,
    lan: `${world.lan}:80`,
    'lan-redis': `${world.lan}:6379`,
    telegram: `${world.lan}:8000`,
    smtp: `${world.public}:25`,
    submission: `${world.public}:587`,
    dns: `${world.public}:53`,
    'dns-tls': `${world.public}:853`,
    orchestrator: `${world.orchestrator}:8000`,
    'its-website': `${world.orchestrator}:443`,
  };

  it('with EGRESS=open everything, which shows that the world is there', async () => {
    const open = runtime('open');
    const probes = { ...outside, ...(await hosts(open)) };
    const all = Object.fromEntries(Object.keys(probes).map((name) => [name, 'reached']));
    expect(await bot(open, probes)).toEqual(all);
    expect(await safety(open, 'egress')).toMatchObject({ ok: false, hint: expect.stringMatching(/^Set EGRESS=/) });
  });

  it('hostile 85, 87: with EGRESS=internet public addresses, but no mail server, no foreign DNS, no orchestrator, no host, no LAN, no metadata', async () => {
    const { logger, lines, fields } = createRecordingLogger();
    const closed = runtime('internet', { logger });
    const probes = { ...outside, ...(await hosts(closed)) };
    const expected = { https: 'reached', http: 'reached', telegram: 'reached', 'its-website': 'reached' };
    const all = Object.fromEntries(Object.keys(probes).map((name) => [name, refused]));
    expect(await bot(closed, probes)).toEqual({ ...all, ...expected });
    // A build also reaches what its settings name.
    const forBuilds = { ...expected, telegram: refused, 'lan-redis': 'reached' };
    expect(await build(closed, probes)).toEqual({ ...all, ...forBuilds });
    expect(await safety(closed, 'runtime')).toMatchObject({ ok: true, message: 'Bots run in containers of Docker.' });
    expect(await safety(closed, 'egress')).toEqual({
      name: 'egress',
      ok: true,
      message: expect.stringMatching(
        /^The rules hold: EGRESS=internet\. A container like a bot's reached none of \d\d? places that it must not\.$/,
      ),
    });
    // The operator learns from the log what was refused.
    passedMs += 121_000;
    await bot(closed, {});
    expect(lines.some((line) => /^warn the firewall refused a connection/.test(line))).toBe(true);
    expect(fields).toContainEqual({ user: userId, place: `${world.lan}:6379` });
  });

  it('the same from the steps of a builder of the user’s own', async () => {
    const limits = { memoryBytes: 256 * 1024 * 1024, cpuMillis: 2000, diskBytes: 1024 * 1024 * 1024 };
    const builder = { setting: 'separate', image: builderImageName, limits, lent: [proberImage] } as const;
    const closed = runtime('internet', { builder });
    try {
      const probes = { ...outside, ...(await hosts(closed)), engine: '198.18.0.1:2375' };
      const all = Object.fromEntries(Object.keys(probes).map((name) => [name, refused]));
      const expected = { https: 'reached', http: 'reached', 'its-website': 'reached', 'lan-redis': 'reached' };
      expect(await build(closed, probes)).toEqual({ ...all, ...expected, engine: 'no Connection refused' });
    } finally {
      await closed.shutdown(30_000);
    }
  });

  it('with EGRESS=allow: what is in the list, even private addresses and mail servers, and nothing else', async () => {
    const listed = runtime(`allow:${world.lan}:6379,${world.public}:587`);
    const all = Object.fromEntries(Object.keys(outside).map((name) => [name, refused]));
    const expected = { 'lan-redis': 'reached', submission: 'reached', telegram: 'reached' };
    expect(await bot(listed, outside)).toEqual({ ...all, ...expected });
    const both = await bot(runtime(`allow:internet,${world.lan}:80`), outside);
    expect(both).toMatchObject({ lan: 'reached', https: 'reached', 'lan-redis': refused, smtp: refused });
  });

  it('the name server that the engine gives to containers, on port 53 only', async ({ skip }) => {
    // Here its address is one of the world's: nothing leads from the engine's network to the real one.
    const [server] = nameServers(readFileSync('/etc/resolv.conf', 'utf8')).filter(({ family }) => family === 4);
    if (server === undefined) return skip('this machine has no name server outside of itself');
    await surroundings.add(server.range);
    const probes = { dns: `${server.range}:53`, web: `${server.range}:80`, other: `${world.public}:53` };
    expect(await bot(runtime('internet'), probes)).toEqual({ dns: 'reached', web: refused, other: refused });
  });

  it('what they could before somebody removed the rules, from the first packet of the next bot', async () => {
    const { logger, lines } = createRecordingLogger();
    const closed = runtime('internet', { logger });
    const probes = { lan: `${world.lan}:80`, https: `${world.public}:443` };
    expect(await bot(closed, probes)).toEqual({ lan: refused, https: 'reached' });
    const tables = await nft('list', 'tables');
    const table = /inet (bot_runner_\w+)/.exec(tables)?.[1] ?? '';
    await nft('delete', 'table', 'inet', table);
    // Before the rules are looked at again, the safety check finds out by trying; from then on they are set anew.
    expect(await safety(closed, 'egress')).toMatchObject({ ok: false, message: expect.stringContaining('is reached') });
    expect(await safety(closed, 'egress')).toMatchObject({ ok: true });
    await nft('delete', 'table', 'inet', table);
    passedMs += 121_000;
    expect(await bot(closed, probes)).toEqual({ lan: refused, https: 'reached' });
    expect(lines.join('\n')).toContain('the rules of the firewall were gone');
    await bot(runtime('open'), {});
    expect(await nft('list', 'tables')).not.toContain(table);
  });

  it('over IPv6 the same as over IPv4', async () => {
    const closed = runtime('internet');
    await bot(closed, {});
    const body = {
      Name: `${base}_six`,
      EnableIPv6: true,
      IPAM: { Config: [{ Subnet: surroundings.containers6, Gateway: 'fd78::1' }] },
      Options: { 'com.docker.network.bridge.name': `${bridgePrefix(workerId, 'bots')}six` },
    };
    await engine.post('/networks/create', {}, body);
    const port = surroundings.hostPort;
    const probes = {
      public: `[${world.public6}]:443`,
      lan: `[${world.lan6}]:80`,
      mail: `[${world.public6}]:25`,
      gateway: `[fd78::1]:${port}`,
      host: `[2001:db8:1::1]:${port}`,
    };
    const run = async (): Promise<Record<string, string>> => {
      const config = {
        Image: proberImage,
        Env: [`PROBES=${probesText(probes)}`],
        HostConfig: { NetworkMode: `${base}_six` },
      };
      const { Id } = (await engine.post('/containers/create', {}, config)) as { Id: string };
      try {
        await engine.post(`/containers/${Id}/start`, {});
        await engine.post(`/containers/${Id}/wait`, {});
        const { text } = await callEngine(docker.host, `/containers/${Id}/logs?stdout=1`);
        // Each line is behind a header of eight bytes.
        return outcomes(text.split('\n').map((line) => line.slice(8)));
      } finally {
        await engine.remove(`/containers/${Id}`, { force: true });
      }
    };
    const all = Object.fromEntries(Object.keys(probes).map((name) => [name, 'no Permission denied']));
    expect(await run()).toEqual({ ...all, public: 'reached' });
    await bot(runtime('open'), {});
    expect(await run()).toEqual(Object.fromEntries(Object.keys(probes).map((name) => [name, 'reached'])));
  });

  it('whatever the host can, with a warning, where no rules can be made and EGRESS is not set', async () => {
    await bot(runtime('open'), {});
    const none = { PATH: '/nonexistent' };
    const { logger, lines } = createRecordingLogger();
    expect(await bot(runtime(undefined, { logger, programs: none }), { lan: `${world.lan}:80` })).toEqual({
      lan: 'reached',
    });
    expect(lines.join('\n')).toContain('there is no firewall for bots, because');
    const asked = bot(runtime('internet', { programs: none }), { lan: `${world.lan}:80` });
    await expect(asked).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining('no firewall') },
    });
  });

  it('what the doctor reports, which names what is open and leaves nothing behind', async () => {
    const data = join(dir, 'data');
    mkdirSync(join(data, 'worker'), { recursive: true });
    writeFileSync(join(data, 'worker', 'worker-id'), `${workerId}\n`);
    const examine = async () => {
      const env = {
        ...process.env,
        DATA_DIR: data,
        DOCKER_HOST: docker.host,
        DOCKER_NETWORK: base,
        ORCHESTRATOR_URL: `http://${world.orchestrator}:8000`,
        WORKER_TOKEN: 'a-token-for-the-doctor',
        TELEGRAM_API_BASE: `http://${world.public}:80`,
      };
      const program = join(import.meta.dirname, '../../../worker/doctor.ts');
      const end = await promisify(execFile)(process.execPath, [program, '--json'], { env }).then(
        ({ stdout }) => ({ code: 0, stdout }),
        (error: { code: number; stdout: string }) => error,
      );
      const probes = end.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      return { code: end.code, outcomes: Object.fromEntries(probes.map(({ name, outcome }) => [name, outcome])) };
    };
    const before = await engine.get('/containers/json', { all: true });
    await bot(runtime('open'), {});
    expect(await examine()).toMatchObject({
      code: 1,
      outcomes: { metadata: 'reached', smtp: 'reached', 'orchestrator-0': 'reached', 'bot-api': 'reached' },
    });
    await bot(runtime('internet'), {});
    const { code, outcomes: found } = await examine();
    expect(code).toBe(0);
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining(['same-user', 'other-user', 'gateway', 'metadata', 'orchestrator-0', 'smtp', 'dns']),
    );
    // The kernel sends few ICMP errors at a time: some may come too late to be seen as refusals.
    const reached = Object.entries(found).filter(([, outcome]) => outcome === 'reached');
    expect(reached).toEqual([['bot-api', 'reached']]);
    expect(await engine.get('/containers/json', { all: true })).toEqual(before);
    const networks = (await engine.get('/networks')) as { Name: string }[];
    expect(networks.filter(({ Name }) => Name.includes('doctor'))).toEqual([]);
  });

  async function nft(...args: readonly string[]): Promise<string> {
    const command = [`--net=${namespacePath}`, 'nft', ...args];
    return runProgram('nsenter', command, { env: { ...process.env, ...programs } });
  }
});
