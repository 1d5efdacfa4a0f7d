/** docs/EVENTS.md: its commands and its program run as they stand. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually as eventuallyWithin } from '../kit/eventually.ts';
import { createNatsServer } from '../kit/nats/nats-server.ts';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { killChild } from '../kit/private-engine/child-end.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { assertCode, PageShell } from './page-shell.ts';
import { missingProgram } from './programs.ts';
import { shellCommands } from './shell-commands.ts';

/** Generous: the machine of the tests is a busy one. */
const eventually: typeof eventuallyWithin = (what, read, holds, options = {}) =>
  eventuallyWithin(what, read, holds, { timeoutMs: 30_000, ...options });

const page = 'docs/EVENTS.md';
const blocks = fencedBlocks(readFileSync(checkoutPath(page), 'utf8'));

it.skipIf(missingProgram('curl') !== undefined)(
  'the commands of docs/EVENTS.md work as they stand',
  async () => {
    const orchestrator = await startTestOrchestrator();
    try {
      await orchestrator.post({ action: 'start', bot_id: 'echo', deployment_mode: 'simple', code: 'print(1)' });
      using shell = new PageShell(checkout, {});
      const commands = blocks.filter(({ language }) => language === 'sh').flatMap(shellCommands);
      expect(commands).toHaveLength(1);
      for (const { text } of commands) {
        const end = await shell.run(text.replaceAll('localhost:8000', orchestrator.address));
        assertCode(end, 0, text);
        expect(end.stdout).toMatch(/^id: \w{8}-\d+\nevent: bot\ndata: \{"event_id":.*"bot_id":"echo"/m);
      }
    } finally {
      await orchestrator[Symbol.asyncDispose]();
    }
  },
  60_000,
);

it('the subscriber of docs/EVENTS.md is short, and knows every bot also after NATS was killed', async () => {
  const code = blocks.find(({ file }) => file === 'watch-bots.mjs')?.text ?? '';
  expect(code.split('\n').length).toBeLessThan(15);
  expect(code).not.toBe('');
  const dir = mkdtempSync(join(tmpdir(), 'subscriber-'));
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(checkoutPath('node_modules', 'nats'), join(dir, 'node_modules', 'nats'));
  writeFileSync(join(dir, 'watch-bots.mjs'), code);
  const nats = await createNatsServer();
  await nats.start();
  const child = spawn(process.execPath, ['watch-bots.mjs'], {
    cwd: dir,
    env: { ...process.env, NATS_URL: nats.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const orchestrator = await startTestOrchestrator({ env: { NATS_URL: nats.url } });
  const start = (botId: string) =>
    orchestrator.post({ action: 'start', bot_id: botId, deployment_mode: 'simple', code: 'print(1)' });
  try {
    await start('echo');
    await eventually(
      'it hears of the bot',
      () => said,
      (text) => /^\S+Z dev\/echo pending$/m.test(text),
      { timeoutMs: 40_000 },
    );
    await nats.kill();
    await start('other');
    await nats.start();
    await eventually(
      'and of another',
      () => said,
      (text) => text.includes('dev/other pending'),
      { timeoutMs: 40_000 },
    );
    const { body } = await orchestrator.post({ action: 'stop', bot_id: 'echo' });
    expect(body.status).toBe('accepted');
    await eventually(
      'and that it is stopped',
      () => said,
      (text) => text.includes('dev/echo stopped'),
      { timeoutMs: 40_000 },
    );
  } finally {
    await killChild(child);
    await orchestrator[Symbol.asyncDispose]();
    await nats.remove();
    rmSync(dir, { recursive: true, force: true });
  }
}, 180_000);
