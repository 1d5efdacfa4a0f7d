/** `npm run demo`, to its visible end: without an engine, and on a real one. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { usableDocker } from '../kit/test-docker.ts';

const checkout = join(import.meta.dirname, '../..');
const docker = inject('docker');

function demo(env: Record<string, string>) {
  return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', 'demo'], {
      cwd: checkout,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

const wholeStory = [
  /^\$ avtomatika-bot start echo-bot --simple /m,
  /^echo-bot is running\.$/m,
  /^Ann writes to the bot: +hello$/m,
  /^The bot answers: +Echo: hello$/m,
  /^\$ avtomatika-bot list$/m,
  /^\$ avtomatika-bot status echo-bot$/m,
  /^\$ avtomatika-bot logs echo-bot /m,
  /^echo-bot is stopped\./m,
  /^The demo is over/m,
];

describe('the demo', { timeout: 120_000 }, () => {
  it('runs to its end without Docker, and says so', async () => {
    const { code, output } = await demo({ DOCKER_HOST: 'unix:///nonexistent/docker.sock' });
    for (const part of wholeStory) expect(output).toMatch(part);
    expect(output).toContain('engine         none: there is no engine');
    expect(output).toContain('NOT ISOLATED');
    expect(code).toBe(0);
  });
});

describe.skipIf('skip' in docker)('the demo on Docker', { timeout: 180_000 }, () => {
  const { host, hostAddress, pipIndexUrl } = usableDocker(docker);

  it('builds and runs the aiogram bot when engine, base image and package index are there', async () => {
    const { code, output } = await demo({ DOCKER_HOST: host, TELEGRAM_HOST: hostAddress, PIP_INDEX_URL: pipIndexUrl });
    for (const part of wholeStory) expect(output).toMatch(part);
    expect(output).toContain('the aiogram bot in a Docker container');
    expect(output).toMatch(/Successfully installed .*aiogram-3/);
    expect(code).toBe(0);
  });

  it('takes the bot without dependencies when there is no package index', async () => {
    const { code, output } = await demo({
      DOCKER_HOST: host,
      TELEGRAM_HOST: hostAddress,
      PIP_INDEX_URL: `${pipIndexUrl}nothing/here/`,
    });
    for (const part of wholeStory) expect(output).toMatch(part);
    expect(output).toContain('the bot without dependencies in a Docker container');
    expect(code).toBe(0);
  });
});
