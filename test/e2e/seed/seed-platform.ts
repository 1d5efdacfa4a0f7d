/**
 * What the tests of the testing guide share: the real programs on a real engine, and a terminal in the checkout in which
 * `avtomatika-bot` is a command. The guide's commands are run as they are written; only its addresses are replaced, by
 * `here`: its port by the platform's, /tmp by a folder of the test, its git site by a server of the test.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout, checkoutPath } from '../../../scripts/process/checkout.ts';
import { eventually } from '../../kit/eventually.ts';
import { type FakeTelegram, startFakeTelegram } from '../../kit/fake-telegram/fake-telegram.ts';
import { startGitServer, type TestGitServer } from '../../kit/git-server/git-server.ts';
import type { JsonBody } from '../../kit/orchestrator-for-tests.ts';
import { startTestPlatform, type TestPlatform } from '../../kit/platform-for-tests.ts';
import type { TestDocker } from '../../kit/test-docker.ts';
import { type CommandEnd, PageShell } from '../../readme/page-shell.ts';

export interface SeedPlatform {
  readonly platform: TestPlatform;
  readonly telegram: FakeTelegram;
  readonly git: TestGitServer;
  /** A folder of the test; stands for /tmp. */
  readonly dir: string;
  /** The guide's text with the addresses of this run. */
  here(text: string): string;
  /** Runs a command of the guide; resolves when it has ended, whatever its exit code. */
  run(command: string): Promise<CommandEnd>;
  /** POST /jobs; the HTTP status and the answer. */
  post(data: object): Promise<{ status: number; body: JsonBody }>;
  /** POST /jobs, and the job when it is final. */
  job(data: object): Promise<JsonBody>;
  /** Waits until the bot's log has what is looked for, and returns the log. */
  untilLogged(botId: string, text: string | RegExp): Promise<string>;
  /** Deletes every bot with its data: after each test, so that one which failed spoils no other. */
  deleteAll(): Promise<void>;
  close(): Promise<void>;
}

/** A token that looks like a real one, and that the fake Telegram knows. */
export const knownToken = '424244:e2e-token-of-the-seed-tests-AAAAAAAA';
/** Enough for a loop over several starts on a machine with much else to do. */
const commandLimitMs = 240_000;
const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };

export async function startSeedPlatform(
  docker: Pick<TestDocker, 'host' | 'hostAddress' | 'pipIndexUrl'>,
  env: Readonly<Record<string, string>> = {},
): Promise<SeedPlatform> {
  const telegram = await startFakeTelegram({ host: docker.hostAddress, tokens: [knownToken] });
  const git = await startGitServer();
  const allowed = [git.place, ...(env['FETCH_ALLOW'] === undefined ? [] : [env['FETCH_ALLOW']])].join(',');
  const platform = await startTestPlatform({
    RUNTIME: 'docker',
    DOCKER_HOST: docker.host,
    PIP_INDEX_URL: docker.pipIndexUrl,
    TELEGRAM_API_BASE: telegram.url,
    ...env,
    FETCH_ALLOW: allowed,
  });
  const dir = mkdtempSync(join(tmpdir(), 'seed-'));
  symlinkSync(checkoutPath('cli', 'bin', 'avtomatika-bot.js'), join(dir, 'avtomatika-bot'));
  const shell = new PageShell(checkout, {
    PATH: `${dir}:${process.env['PATH'] ?? ''}`,
    AVTOMATIKA_URL: platform.url,
    AVTOMATIKA_TOKEN: 'test-client-token',
  });
  const here = (text: string) =>
    text
      .replaceAll('/tmp/', `${dir}/`)
      .replaceAll('http://localhost:8000', platform.url)
      .replaceAll('https://github.com/user', git.url);
  const post = async (data: object) => {
    const body = JSON.stringify({ blueprint: 'bot_runner', data });
    const response = await fetch(`${platform.url}/jobs`, { method: 'POST', headers, body });
    return { status: response.status, body: (await response.json()) as JsonBody };
  };
  const job = async (data: object) => {
    const { status, body } = await post(data);
    if (status !== 202) throw new Error(`refused with ${status}: ${JSON.stringify(body)}`);
    return eventually(
      'the job is final',
      async () => (await (await fetch(`${platform.url}/jobs/${body.job_id}`, { headers })).json()) as JsonBody,
      (seen) => seen.status === 'completed' || seen.status === 'failed' || seen.status === 'cancelled',
      { timeoutMs: 90_000, everyMs: 50 },
    );
  };
  return {
    platform,
    telegram,
    git,
    dir,
    here,
    run: (command) => shell.run(here(command), { limitMs: commandLimitMs }),
    post,
    job,
    async untilLogged(botId, text) {
      const { stdout } = await eventually(
        `the log of ${botId} has ${text}`,
        () => platform.cli(['logs', botId, '-n', '1000']),
        (end) => (typeof text === 'string' ? end.stdout.includes(text) : text.test(end.stdout)),
        { timeoutMs: 30_000 },
      );
      return stdout;
    },
    async deleteAll() {
      const { data } = await job({ action: 'list' });
      const bots: readonly { bot_id: string }[] = data.result.bots;
      await Promise.all(bots.map(({ bot_id }) => job({ action: 'delete', bot_id, purge: true })));
    },
    async close() {
      await platform[Symbol.asyncDispose]();
      await telegram.close();
      await git.close();
      shell[Symbol.dispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
