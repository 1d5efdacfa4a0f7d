import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#common/env-config.ts';
import { readWorkerConfig } from './config.ts';

const mistakesOf = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    readWorkerConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
};

describe("the worker's settings", () => {
  it('have defaults that work with an orchestrator on this machine', () => {
    const config = readWorkerConfig({});
    expect(config).toMatchObject({
      orchestrators: [{ url: 'http://localhost:8000', target: 'localhost:8000', tls: false, loopback: true }],
      workerId: undefined,
      runtime: 'docker',
      dockerNetwork: 'bot_runner_network',
      botSubnets: { bits: 16, size: 24 },
      egress: undefined,
      baseImage: 'python:3.11-slim',
      nodeBaseImage: 'node:24-slim',
      memoryBytes: 256 * 1024 ** 2,
      cpuMillis: 500,
      botLogMaxBytes: 50 * 1024 ** 2,
      botLogMaxAgeMs: 7 * 24 * 3_600_000,
      telegramApiBase: undefined,
      telegramPreflight: undefined,
      dir: resolve('.data', 'worker'),
      logLevel: 'info',
    });
    expect(config.workerToken.reveal()).toBe('test-worker-token');
    expect(config.buildSlots).toBeGreaterThanOrEqual(1);
  });

  it('say what bots reach, and where the addresses of their networks come from', () => {
    expect(readWorkerConfig({ EGRESS: 'allow:internet,10.0.0.5:6379', BOT_SUBNETS: '172.16.0.0/14:26' })).toMatchObject(
      {
        egress: { kind: 'filtered', internet: true, allow: [{ host: '10.0.0.5', port: 6379 }] },
        botSubnets: { bits: 14, size: 26 },
      },
    );
  });

  it('bound what is kept of a log by size and age', () => {
    expect(readWorkerConfig({ BOT_LOG_MAX_SIZE: '200M', BOT_LOG_MAX_AGE: '36h' })).toMatchObject({
      botLogMaxBytes: 200 * 1024 ** 2,
      botLogMaxAgeMs: 36 * 3_600_000,
    });
  });

  it.each([
    ['./d a/../d', resolve('d')],
    ['данные', resolve('данные')],
    ['~', homedir()],
    ['~/bots', join(homedir(), 'bots')],
    ['./~/bots', resolve('./~/bots')],
    ['/data/', '/data'],
  ])('make the folder of DATA_DIR %j and the socket in it absolute', (given, absolute) => {
    expect(readWorkerConfig({ DATA_DIR: given, HEALTH_SOCKET: `${given}/s` })).toMatchObject({
      dir: join(absolute, 'worker'),
      healthSocket: join(absolute, 's'),
    });
  });

  it('refuse the home folder of another user, which only a shell can look up', () => {
    expect(mistakesOf({ DATA_DIR: '~ann/bots' })).toEqual([
      'DATA_DIR must not begin with "~" and a name: write out the folder',
    ]);
  });

  it('refuse an engine that the worker cannot reach, if it is to use one', () => {
    const refused = [
      'DOCKER_HOST must be unix:///path/to/docker.sock, or tcp://127.0.0.1:PORT for an engine on this machine',
    ];
    for (const address of ['tcp://10.0.0.1:2375', 'ssh://host', '/var/run/docker.sock']) {
      expect(mistakesOf({ DOCKER_HOST: address })).toEqual(refused);
      expect(mistakesOf({ DOCKER_HOST: address, RUNTIME: 'process' })).toEqual([]);
    }
  });

  it('read what is set', () => {
    const config = readWorkerConfig({
      ORCHESTRATOR_URL: 'https://a.example, http://[::1]:9000',
      GLOBAL_WORKER_TOKEN: 'a-worker-token',
      WORKER_ID: 'w-1_A.example.org',
      WORKER_LABELS: 'zone=eu, gpu=',
      CONTAINER_MEMORY_LIMIT: '1g',
      CONTAINER_CPU_LIMIT: '1.25',
      DATA_DIR: '/data',
    });
    expect(config.orchestrators).toMatchObject([
      { target: 'a.example:443', tls: true, loopback: false },
      { target: '[::1]:9000', tls: false, loopback: true },
    ]);
    expect(config).toMatchObject({
      workerId: 'w-1_A.example.org',
      memoryBytes: 1024 ** 3,
      cpuMillis: 1250,
      dir: '/data/worker',
    });
    expect(config.workerToken.reveal()).toBe('a-worker-token');
    expect(config.labels).toEqual({ zone: 'eu', gpu: '' });
  });

  it('need a token for an orchestrator elsewhere', () => {
    expect(mistakesOf({ ORCHESTRATOR_URL: 'https://a.example' })).toEqual([
      'WORKER_TOKEN must be set when ORCHESTRATOR_URL is not on this machine',
    ]);
    expect(mistakesOf({ ORCHESTRATOR_URL: 'https://a.example', WORKER_TOKEN: 'long-enough' })).toEqual([]);
  });

  it.each([
    ['ORCHESTRATOR_URL', 'localhost:8000'],
    ['ORCHESTRATOR_URL', 'ftp://localhost'],
    ['ORCHESTRATOR_URL', 'http://me:pw@localhost'],
    ['ORCHESTRATOR_URL', 'http://localhost/path'],
    ['ORCHESTRATOR_URL', 'http://localhost,,'],
    ['WORKER_ID', 'a b'],
    ['WORKER_ID', '..'],
    ['WORKER_ID', '.hidden'],
    ['WORKER_ID', 'x'.repeat(65)],
    ['WORKER_TOKEN', 'short'],
    ['WORKER_LABELS', 'zone'],
    ['WORKER_LABELS', 'zone=a b'],
    ['RUNTIME', 'podman'],
    ['DOCKER_NETWORK', 'host'],
    ['BOT_SUBNETS', '10.217.0.0'],
    ['BOT_SUBNETS', '198.51.100.0/24'],
    ['EGRESS', 'closed'],
    ['EGRESS', 'allow:'],
    ['EGRESS', 'allow:https://api.telegram.org'],
    ['BASE_IMAGE', '--privileged'],
    ['PIP_INDEX_URL', 'https://me:pw@index.example/simple'],
    ['PIP_INDEX_URL', 'not a url'],
    ['NPM_CONFIG_REGISTRY', 'https://token@registry.example'],
    ['REGISTRY_MIRROR', 'https://mirror.example'],
    ['REGISTRY_MIRROR', 'mirror'],
    ['REGISTRY_MIRROR', 'me:pw@mirror.example'],
    ['CONTAINER_MEMORY_LIMIT', '1'],
    ['CONTAINER_MEMORY_LIMIT', 'lots'],
    ['CONTAINER_CPU_LIMIT', '0'],
    ['CONTAINER_CPU_LIMIT', '-1'],
    ['DISK_LIMITS', 'quota'],
    ['BOT_DISK_LIMIT', '1'],
    ['ENGINE_DISK_RESERVE', '-1g'],
    ['BOT_LOG_MAX_SIZE', '1m'],
    ['BOT_LOG_MAX_SIZE', 'much'],
    ['BOT_LOG_MAX_AGE', '7'],
    ['BOT_LOG_MAX_AGE', '0d'],
    ['TELEGRAM_API_BASE', 'file:///x'],
    ['TELEGRAM_PREFLIGHT', 'yes'],
  ])('refuse %s=%s, by name and without showing the value', (name, value) => {
    const [mistake, ...others] = mistakesOf({ [name]: value });
    expect(others).toEqual([]);
    expect(mistake).toMatch(new RegExp(`^${name} `));
    if (value.includes('pw') || value.includes('token')) expect(mistake).not.toContain(value);
  });

  it('limit disks by file systems of their own where strangers start bots, and measure elsewhere', () => {
    const modeOf = (env: NodeJS.ProcessEnv) => readWorkerConfig(env).diskMode;
    expect(modeOf({})).toBe('watch');
    expect(modeOf({ STRANGERS: '1', WORKER_TOKEN: 'x'.repeat(40) })).toBe('sized');
    expect(modeOf({ STRANGERS: '1', WORKER_TOKEN: 'x'.repeat(40), DISK_LIMITS: 'off' })).toBe('off');
    expect(readWorkerConfig({ ENGINE_DISK_RESERVE: '0m' }).reserveBytes).toBe(0);
  });

  it('report all mistakes at once', () => {
    expect(mistakesOf({ RUNTIME: 'x', WORKER_ID: '!' })).toHaveLength(2);
  });
});
