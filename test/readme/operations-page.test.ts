/**
 * docs/OPERATIONS.md: the operator's commands are run as they stand, one after the other, on a platform with two workers; those of
 * compose are DEPLOY.md's, which test/e2e/compose.test.ts runs.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { endProgram, type Program, startProgram } from '../../scripts/platform/children.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { deleteBot, startTestPlatform } from '../kit/platform-for-tests.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { assertCode, PageShell } from './page-shell.ts';
import { missingProgram } from './programs.ts';
import { shellCommands } from './shell-commands.ts';

const page = 'docs/OPERATIONS.md';
const blocksOf = (path: string) => fencedBlocks(readFileSync(checkoutPath(path), 'utf8'));
const skipReason = missingProgram('curl', 'df');

it('the commands for compose are those of docs/DEPLOY.md', () => {
  const compose = blocksOf(page).filter(({ runBy }) => runBy !== undefined);
  expect(compose.map(({ file }) => file)).toEqual(['backup.sh', 'restore.sh']);
  for (const { file, text } of compose) {
    expect(text).toBe(blocksOf('docs/DEPLOY.md').find((block) => block.file === file)?.text);
  }
});

it.skipIf(skipReason !== undefined)(
  'the other commands work, in their order, on a platform with two workers',
  { timeout: 300_000, meta: { skipReason: skipReason ?? '' } },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'operations-'));
    symlinkSync(checkoutPath('cli', 'bin', 'avtomatika-bot.js'), join(dir, 'avtomatika-bot'));
    const platform = await startTestPlatform({ RUNTIME: 'process', WORKER_ID: 'worker-1' });
    const startSecond = () =>
      startProgram('worker', {
        env: {
          ...process.env,
          RUNTIME: 'process',
          WORKER_ID: 'worker-2',
          DATA_DIR: join(dir, 'worker-2'),
          ORCHESTRATOR_URL: platform.url,
        },
        logFile: join(dir, 'worker-2.log'),
      });
    const second: Program = startSecond();
    using shell = new PageShell(dir, { PATH: `${dir}:${process.env['PATH'] ?? ''}` });
    const admin = async (...words: string[]) =>
      (await platform.cli(['worker', ...words, '--token', 'test-admin-token'])).stdout;
    const untilListed = (what: RegExp) =>
      eventually(
        `${what}`,
        () => admin('list'),
        (text) => what.test(text),
        { timeoutMs: 60_000 },
      );
    const printed = new Map<string, string>();
    /** What has to be so before a command of the page makes sense. */
    const before: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
      [
        /worker drain worker-1/,
        async () => {
          await admin('cordon', 'worker-2');
          const code = 'setInterval(() => console.log("tick"), 1000)';
          const started = await platform.cli(['start', 'echo', '--code', code, '--runtime', 'node']);
          expect(started).toMatchObject({ code: 0 });
          await admin('uncordon', 'worker-2');
        },
      ],
      [
        /worker forget worker-2/,
        async () => {
          // The bot is there since the drain; its process goes with the worker.
          await endProgram(second);
          await untilListed(/worker-2 +away/);
          // A worker last seen within 10 seconds is not forgotten.
          await eventually(
            'it is silent for 10 s',
            async () => JSON.parse(await admin('list', '--json')),
            ({ workers }: JsonBody) => Date.now() - Date.parse(workers[1].last_seen_at) > 11_000,
            { timeoutMs: 60_000, everyMs: 500 },
          );
        },
      ],
    ];
    try {
      await untilListed(/worker-2 +ready/);
      for (const { text, line } of blocksOf(page)
        .filter(({ language, runBy }) => language === 'sh' && runBy === undefined)
        .flatMap(shellCommands)) {
        for (const [command, prepare] of before) if (command.test(text)) await prepare();
        const end = await shell.run(text.replaceAll('http://localhost:8000', platform.url));
        assertCode(end, 0, `${page}, line ${line}: ${text}`);
        printed.set(text, `${end.stdout}${end.stderr}`);
      }
      const of = (part: string) => [...printed].find(([command]) => command.includes(part))?.[1];
      expect(of('/health')).toBe('{"status":"ok"}');
      expect(of('/events')).toContain('"worker_id":"worker-1"');
      expect(of('token list')).toMatch(/^ann +laptop +client /m);
      expect(of('drain')).toContain('echo of dev is on worker-2');
      expect(of('forget')).toContain('worker-2 is forgotten.');
      expect(of('forget')).toContain('echo of dev is stopped, and can be started elsewhere');
      expect(of('restart echo')).toContain('echo was restarted and is running.');
      expect(await platform.status('echo')).toMatchObject({ status: 'running', worker_id: 'worker-1' });
    } finally {
      await deleteBot(platform, 'echo');
      await endProgram(second);
      await platform[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
