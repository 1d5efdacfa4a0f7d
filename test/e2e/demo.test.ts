/** `npm run demo`, to its visible end, with nothing set: without an engine, and on engines as people have them. */
import { describe, expect, inject, it } from 'vitest';
import { checkout } from '../../scripts/process/checkout.ts';
import { type NewcomersMachine, newcomersMachine } from '../kit/newcomer/newcomers-machine.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { startTcpToSocket } from '../kit/tcp-to-socket.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { PageShell } from '../readme/page-shell.ts';

const docker = inject('docker');

/** Runs it on that machine, or on this one. */
async function demo(env: Record<string, string>, machine?: NewcomersMachine) {
  using shell = new PageShell(checkout, env, machine?.inside(checkout));
  const { code, stdout, stderr } = await shell.run('npm run --silent demo');
  return { code, output: stdout + stderr };
}

const wholeStory = [
  /^\$ avtomatika-bot start demo-bot --simple /m,
  /^demo-bot is running\.$/m,
  /^Ann writes to the bot: +hello$/m,
  /^The bot answers: +Echo: hello$/m,
  /^\$ avtomatika-bot list$/m,
  /^\$ avtomatika-bot status demo-bot$/m,
  /^\$ avtomatika-bot logs demo-bot /m,
  /^demo-bot is stopped\./m,
  /^The demo is done/m,
];

describe('the demo', { timeout: 120_000 }, () => {
  it('runs to its end without Docker, and says so', async ({ skip }) => {
    const machine = await newcomersMachine();
    if ('skip' in machine) return skip(machine.skip);
    await using _ = machine;
    const { code, output } = await demo({}, machine);
    for (const part of wholeStory) expect(output).toMatch(part);
    expect(output).toContain('engine         none: there is no socket /var/run/docker.sock');
    expect(output).toContain('NOT ISOLATED');
    expect(code).toBe(0);
  });
});

describe.skipIf('skip' in docker)('the demo on Docker', { timeout: 240_000 }, () => {
  const engine = usableDocker(docker);
  const { host, pipIndexUrl } = engine;
  const leftBehind = async () => ({
    containers: JSON.parse((await callEngine(host, '/containers/json?all=1')).text).length,
    volumes: JSON.parse((await callEngine(host, '/volumes')).text).Volumes?.length ?? 0,
    networks: JSON.parse((await callEngine(host, '/networks')).text).length,
    images: (await callEngine(host, '/images/json')).text.includes('bot_image_'),
  });

  it('runs on an engine that was just installed, whose bridge has no named gateway', async ({ skip }) => {
    const machine = await newcomersMachine(engine);
    if ('skip' in machine) return skip(machine.skip);
    await using _ = machine;
    const before = await leftBehind();
    const { code, output } = await demo({}, machine);
    for (const part of wholeStory) expect(output).toMatch(part);
    expect(output).toMatch(/^ {2}this machine +containers reach it at \d/m);
    expect(output).toContain('the bot without dependencies in a Docker container, because there is no package index');
    expect(code).toBe(0);
    expect(await leftBehind()).toEqual(before);
  });

  it('runs on an engine that is not on the network of this machine, over TCP, with settings of its own', async () => {
    await using way = await startTcpToSocket(host.replace('unix://', ''));
    const env = { DOCKER_HOST: way.dockerHost, DOCKER_NETWORK: 'demo.net-2', PIP_INDEX_URL: pipIndexUrl };
    const { code, output } = await demo(env);
    for (const part of wholeStory) expect(output).toMatch(part);
    expect(output).toContain('the aiogram bot in a Docker container');
    expect(output).toMatch(/Successfully installed .*aiogram-3/);
    expect(code).toBe(0);
  });
});
