/** The compose files hand on all settings that there are, and what docker compose makes of them is what the programs read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOrchestratorConfig } from '../../orchestrator/config.ts';
import { orchestratorVariables } from '../../orchestrator/settings.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { readWorkerConfig, workerVariables } from '../../worker/config.ts';
import { type ComposeOrNot, composeV1, composeV2 } from '../kit/compose/compose-programs.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { runProgram } from '../kit/private-engine/run-program.ts';

describe('the compose files', () => {
  const text = readFileSync(checkoutPath('compose.services.yml'), 'utf8');
  const [orchestrator = '', worker = ''] =
    text.split('\n  orchestrator:\n')[1]?.split('\n  bot-runner-worker:\n') ?? [];
  const namesOf = (variables: object): string[] => Object.values(variables).map(({ name }) => name);

  it('hand every setting of the orchestrator on, but those that the container or the other files fix', () => {
    // The image and the published port fix the first five; the others are in compose.yml, compose.tls.yml and .env.development.
    const fixed = ['HOST', 'PORT', 'DATA_DIR', 'DATABASE_URL', 'SECRETS_KEY'];
    const elsewhere = ['TLS_CERT', 'TLS_KEY', 'ALLOW_CLEARTEXT', 'PUBLISHED_AT', 'ALLOW_DEVELOPMENT_TOKENS'];
    const tokens = ['CLIENT_TOKEN', 'ADMIN_TOKEN', 'WORKER_TOKEN'];
    const left = namesOf(orchestratorVariables).filter((name) => !orchestrator.includes(`      ${name}: `));
    expect(left.toSorted()).toEqual([...fixed, ...elsewhere, ...tokens].toSorted());
  });

  it('hand every setting of the worker on, but those that the container or the other files fix', () => {
    const left = namesOf(workerVariables).filter((name) => !worker.includes(`      ${name}: `));
    const elsewhere = ['ORCHESTRATOR_URL', 'WORKER_ID', 'WORKER_TOKEN'];
    expect(left.toSorted()).toEqual(['DATA_DIR', 'HEALTH_SOCKET', 'RUNTIME', ...elsewhere].toSorted());
  });
});

describe('an operator’s set of compose files', { timeout: 300_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'compose-files-'));
  let programs: { readonly v1: ComposeOrNot; readonly v2: ComposeOrNot };
  beforeAll(async () => {
    const [v1, v2] = await Promise.all([composeV1(), composeV2()]);
    programs = { v1, v2 };
  }, 300_000);
  afterAll(() => rmSync(dir, { recursive: true }));

  const token = (of: string) => `${of}-token-of-our-own-with-more-than-32-characters`;
  const common = {
    CLIENT_TOKEN: token('client'),
    ADMIN_TOKEN: token('admin'),
    WORKER_TOKEN: token('worker'),
    TLS_FOLDER: './tls',
    PUBLIC_NAME: 'bots.example.org',
    ORCHESTRATOR_LISTEN: '0.0.0.0:8000',
  };
  const tls = ['compose.yml', 'compose.tls.yml'];
  const strangers = [...tls, 'compose.strangers.yml'];
  const second = { ORCHESTRATOR_URL: 'https://bots.example.org:8000', WORKER_ID: 'bot-runner-2' };

  /** What `config` of that docker-compose prints. */
  async function config(program: ComposeOrNot, files: readonly string[], settings: object, args: readonly string[]) {
    if ('skip' in program) throw new Error(program.skip);
    const script = join(dir, 'docker-compose');
    writeFileSync(script, `#!/bin/sh\n${program.script}`, { mode: 0o755 });
    const named = files.flatMap((file) => ['-f', checkoutPath(file)]);
    const env = { PATH: '/usr/bin:/bin', HOME: dir, ...settings };
    return runProgram(script, [...named, 'config', ...args], { env });
  }
  const merged = async (files: readonly string[], more: object = {}): Promise<JsonBody> =>
    JSON.parse(await config(programs.v2, files, { ...common, ...more }, ['--format', 'json'])).services;

  it('of strangers is read by both programs as the page says', async ({ skip }) => {
    if ('skip' in programs.v2) return skip(programs.v2.skip);
    const { orchestrator, 'bot-runner-worker': worker } = await merged(strangers);
    const given = { ...orchestrator.environment, DATA_DIR: dir, TLS_CERT: '', TLS_KEY: '', ALLOW_CLEARTEXT: '1' };
    expect(orchestrator.environment).toMatchObject({ TLS_CERT: '/tls/cert.pem', TLS_KEY: '/tls/key.pem' });
    const read = readOrchestratorConfig(given);
    expect([read.strangers, read.publicNames]).toEqual([true, ['bots.example.org']]);
    const {
      strangers: isStrangers,
      builder,
      builderImage,
      egress,
      diskMode,
    } = readWorkerConfig({
      ...worker.environment,
      DATA_DIR: dir,
    });
    expect({ isStrangers, builder, builderImage, egress, diskMode }).toEqual({
      isStrangers: true,
      builder: 'separate',
      builderImage: 'docker:28.5.2-dind',
      egress: { kind: 'filtered', internet: true, allow: [] },
      diskMode: 'sized',
    });
    expect(worker.environment.ORCHESTRATOR_URL).toBe('https://bots.example.org:8000');
    expect(worker.volumes.map(({ target }: JsonBody) => target)).toEqual(['/data', '/var/run/docker.sock']);
    expect(orchestrator.networks.control.aliases).toEqual(['bots.example.org']);
  });

  it('keeps what the operator sets in .env, and a second host needs STRANGERS=1 alone', async ({ skip }) => {
    if ('skip' in programs.v2) return skip(programs.v2.skip);
    const more = {
      EGRESS: 'allow:internet,10.0.0.5:6379',
      BUILDER_HOST: 'unix:///run/builds.sock',
      DISK_LIMITS: 'watch',
    };
    const own = (await merged(strangers, more))['bot-runner-worker'];
    expect(own.environment).toMatchObject({ ...more, BUILDER: 'separate', STRANGERS: '1' });
    const joins = await merged(['compose.worker.yml'], { ...second, STRANGERS: '1' });
    // With strangers, that builds are separate is the program's own default.
    expect(readWorkerConfig({ ...joins['bot-runner-worker'].environment, DATA_DIR: dir })).toMatchObject({
      strangers: true,
      builder: undefined,
      diskMode: 'sized',
    });
    const without = (await merged(tls))['bot-runner-worker'];
    expect(readWorkerConfig({ ...without.environment, DATA_DIR: dir })).toMatchObject({
      strangers: false,
      builder: undefined,
      diskMode: 'watch',
    });
  });

  it('is understood by docker-compose 1.29, too', async ({ skip }) => {
    const { v1 } = programs;
    if ('skip' in v1) return skip(v1.skip);
    const shown = await config(v1, strangers, common, []);
    for (const line of ["STRANGERS: '1'", 'BUILDER: separate', 'EGRESS: internet']) expect(shown).toContain(line);
  });
});
