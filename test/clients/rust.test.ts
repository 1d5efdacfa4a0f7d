/** The Rust client of examples/clients/rust: its stubs are made while it is built; run against the real port. */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clientToken, startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';
import { checkOutClient } from './client-checkout.ts';

const folder = 'examples/clients/rust';

it('the Rust client lists, reads a refusal, and sees its deadline', { timeout: 600_000 }, async ({ skip }) => {
  using client = checkOutClient('rust');
  const cache = join(defaultCacheDir, 'rust');
  mkdirSync(cache, { recursive: true });
  const locks = [join(cache, 'Cargo.lock'), client.path(folder, 'Cargo.lock')] as const;
  const env = { CARGO_TARGET_DIR: join(cache, 'target'), CARGO_TERM_COLOR: 'never' };
  const cargo = (...words: string[]) => client.run('cargo', [...words, '--manifest-path', `${folder}/Cargo.toml`], env);
  if (existsSync(locks[0])) copyFileSync(locks[0], locks[1]);
  const fetched = await cargo('fetch');
  if (fetched.code !== 0) skip(`Cargo or its crates are not to be had: ${fetched.code} ${fetched.output.slice(-300)}`);
  copyFileSync(locks[1], locks[0]);
  const built = await cargo('build', '--offline');
  if (built.output.includes('requires rustc')) skip(`this Rust is too old: ${built.output.slice(-300)}`);
  expect(built).toMatchObject({ code: 0 });
  await using orchestrator = await startTestOrchestrator();
  const end = await client.run(join(env.CARGO_TARGET_DIR, 'debug', 'client'), [], {
    AVTOMATIKA_ADDRESS: orchestrator.address,
    AVTOMATIKA_TOKEN: clientToken,
  });
  expect(end).toMatchObject({ code: 0 });
  expect(end.stdout.trim().split('\n')).toEqual([
    'bots: 0 of 3',
    'refused: NotFound BOT_NOT_FOUND: List your bots with the action "list".',
    expect.stringMatching(/^watched: (DeadlineExceeded|Cancelled)$/),
  ]);
});
