/** Runs the `sh` blocks of a page against a platform of its own, and holds each `json` block against the answer before it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { freePort } from '../../scripts/platform/free-port.ts';
import { startPlatform } from '../../scripts/platform/platform.ts';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { assertCode, PageShell, readerEnv } from './page-shell.ts';
import { comparable } from './same-answer.ts';
import { shellCommands } from './shell-commands.ts';

export interface PageOptions {
  /** Commands that another test runs. */
  readonly leftOut?: (command: string) => boolean;
  /** The command to run instead of the page's; `adapted` puts this run's address, job and task in a text. */
  readonly adapt?: (command: string, adapted: (text: string) => string) => string;
}

/** `{id}` and `{task}` in a command stand for the job and the task named last; a job that is asked for is waited for. */
export async function runPage(page: string, options: PageOptions = {}): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'page-'));
  const port = await freePort();
  // Nothing answers there: bots of the examples must not reach for the real Telegram.
  const env = { DATA_DIR: join(dir, 'data'), RUNTIME: 'process', TELEGRAM_API_BASE: 'http://127.0.0.1:9' };
  const logs = { orchestratorLog: join(dir, 'orchestrator.log'), workerLog: join(dir, 'worker.log') };
  const signal = new AbortController().signal;
  const platform = await startPlatform({ env: readerEnv({ ...env, PORT: `${port}` }), ...logs }, signal);
  const address = `localhost:${port}`;
  using shell = new PageShell(checkout, { AVTOMATIKA_URL: platform.url });
  let jobId = '';
  let taskId = '';
  let answer = '';
  let commands = 0;
  try {
    for (const block of fencedBlocks(readFileSync(checkoutPath(page), 'utf8'))) {
      if (block.language === 'json') {
        expect(comparable(answer), `${page}, line ${block.line}`).toEqual(comparable(block.text));
      }
      if (block.language !== 'sh') continue;
      for (const { text, line } of shellCommands(block)) {
        if (options.leftOut?.(text)) continue;
        if (/\bjobs\/\{id\}/.test(text)) await untilFinal(platform.url, jobId);
        const adapted = (from: string) =>
          from.replaceAll('localhost:8000', address).replaceAll('{id}', jobId).replaceAll('{task}', taskId);
        const end = await shell.run(options.adapt?.(text, adapted) ?? adapted(text));
        assertCode(end, 0, `${page}, line ${line}: ${text}`);
        answer = end.stdout;
        commands += 1;
        jobId = /"job_?[iI]d":"(\w+)"/.exec(answer)?.[1] ?? jobId;
        taskId = /"task_id":"(\w+)"/.exec(answer)?.[1] ?? taskId;
      }
    }
    expect(commands, `${page} has commands`).toBeGreaterThan(0);
  } finally {
    await platform.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

const untilFinal = (url: string, jobId: string): Promise<string> =>
  eventually(
    `job ${jobId} is final`,
    async () =>
      (await fetch(`${url}/jobs/${jobId}`, { headers: { authorization: 'Bearer test-client-token' } })).text(),
    (job) => /"status":"(completed|failed|cancelled)","reason"/.test(job),
    { timeoutMs: 60_000 },
  );
