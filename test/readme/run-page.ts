/**
 * Runs the `sh` blocks of a page against `npm start` in a fresh clone with nothing set, without Docker, and holds each
 * `json` block against the answer before it.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';
import { freshClone, linkPackages } from '../kit/newcomer/fresh-clone.ts';
import { newcomersMachine } from '../kit/newcomer/newcomers-machine.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { startNpmProgram } from './npm-program.ts';
import { assertCode, PageShell } from './page-shell.ts';
import { comparable } from './same-answer.ts';
import { shellCommands } from './shell-commands.ts';

export interface PageOptions {
  /** Commands that another test runs. */
  readonly leftOut?: (command: string) => boolean;
  /** The command to run instead of the page's; `adapted` puts this run's job and task in a text. */
  readonly adapt?: (command: string, adapted: (text: string) => string) => string;
}

/**
 * `{id}` and `{task}` in a command stand for the job and the task named last; a job that is asked for is waited for. Where a
 * newcomer's machine cannot be made, `skip` gets the reason.
 */
export async function runPage(page: string, skip: (why: string) => never, options: PageOptions = {}): Promise<void> {
  const machine = await newcomersMachine();
  if ('skip' in machine) return skip(machine.skip);
  await using _ = machine;
  using clone = freshClone();
  linkPackages(clone);
  const inside = machine.inside(clone.dir);
  using shell = new PageShell(clone.dir, {}, inside);
  const platform = await startNpmProgram('npm start', 'Bot Runner is up', clone.dir, {}, inside);
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
        if (/\bjobs\/\{id\}/.test(text)) await untilFinal(shell, jobId);
        const adapted = (from: string) => from.replaceAll('{id}', jobId).replaceAll('{task}', taskId);
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
    await platform.interrupt();
  }
}

const untilFinal = (shell: PageShell, jobId: string): Promise<string> =>
  eventually(
    `job ${jobId} is final`,
    async () =>
      (
        await shell.run(
          `curl --silent http://localhost:8000/jobs/${jobId} -H "Authorization: Bearer test-client-token"`,
        )
      ).stdout,
    (job) => /"status":"(completed|failed|cancelled)","reason"/.test(job),
    { timeoutMs: 60_000 },
  );
