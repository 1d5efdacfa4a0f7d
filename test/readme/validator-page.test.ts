/** docs/VALIDATOR.md and chapter 4.2 of the Russian guide: their program runs as it stands and prints what they show. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { assertCode, PageShell } from './page-shell.ts';

const program = 'test_validator.mjs';

it.each(['docs/VALIDATOR.md', 'docs/ru/04-without-docker.md'])('%s shows a program that runs', async (page) => {
  const blocks = fencedBlocks(readFileSync(checkoutPath(page), 'utf8'));
  const at = blocks.findIndex(({ file }) => file === program);
  const [code, command, answer] = blocks.slice(at, at + 3);
  expect([code?.language, command?.text, answer?.language]).toEqual(['js', 'npx node test_validator.mjs', 'text']);
  const dir = mkdtempSync(join(tmpdir(), 'validator-'));
  try {
    // As in a project that depends on the checkout.
    mkdirSync(join(dir, 'node_modules'));
    symlinkSync(checkout, join(dir, 'node_modules', packageJson.name));
    writeFileSync(join(dir, program), code?.text ?? '');
    using shell = new PageShell(dir, { PATH: `${checkoutPath('node_modules', '.bin')}:${process.env['PATH']}` });
    const end = await shell.run(`node ${program}`);
    assertCode(end, 0, `${page}: ${program}`);
    expect(end.stdout.trimEnd()).toBe(answer?.text);
    expect(answer?.text.split('\n')).toHaveLength(3);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

it('the validator is what the checkout itself imports by its name', async () => {
  const dir = checkoutPath();
  using shell = new PageShell(dir, { PATH: `${checkoutPath('node_modules', '.bin')}:${process.env['PATH']}` });
  const script = `import("${packageJson.name}/validator").then(({ actions }) => console.log(actions.length))`;
  expect((await shell.run(`node -e '${script}'`)).stdout).toBe('10\n');
});
