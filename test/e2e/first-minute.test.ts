/** The first minute without Docker: `npm start` with the settings that a newcomer has, which are none but a free port. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { freePort } from '../../scripts/platform/free-port.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { startNpmProgram } from '../readme/npm-program.ts';
import { PageShell } from '../readme/page-shell.ts';

const longMs = 120_000;
const cli = `node ${checkoutPath('cli/bin/avtomatika-bot.js')}`;
// Nobody answers there: the bots must not reach for the real Telegram.
const telegram = { TELEGRAM_API_BASE: 'http://127.0.0.1:9' };

describe('npm start without Docker', { timeout: longMs }, () => {
  const root = mkdtempSync(join(tmpdir(), 'first-minute-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** A folder of that name, entered through a link. */
  const folder = (name: string): string => {
    mkdirSync(join(root, name));
    const link = join(root, `to ${name}`);
    symlinkSync(name, link);
    return link;
  };

  it.each([
    ['the default DATA_DIR', folder('plain'), {}],
    [
      'a relative DATA_DIR in a folder with an unusual name',
      folder(`бот's "new" $HOME #1?%20`),
      { DATA_DIR: './d a/../d' },
    ],
  ])('runs bots with %s', async (_, cwd, env) => {
    const port = await freePort();
    const started = await startNpmProgram(
      `exec node ${checkoutPath('scripts/bootstrap.mjs')} scripts/start.ts`,
      'Bot Runner is up',
      cwd,
      {
        ...telegram,
        ...env,
        PORT: `${port}`,
        DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      },
    );
    using shell = new PageShell(checkoutPath(), {
      AVTOMATIKA_URL: `http://localhost:${port}`,
      AVTOMATIKA_TOKEN: 'test-client-token',
    });
    try {
      const end = await shell.run(`${cli} start echo-bot --simple examples/bots/echo_bot.mjs -e BOT_TOKEN=123:ABC`);
      expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('echo-bot is running.') });
      expect((await shell.run(`${cli} list`)).stdout).toMatch(/echo-bot +running .* process/);
      expect((await shell.run(`${cli} stop echo-bot`)).code).toBe(0);
    } finally {
      expect(await started.interrupt()).toBe(0);
    }
  });
});
