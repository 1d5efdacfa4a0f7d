/** docs/DEPLOY.md: every command on it is run by a test. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { shellCommands } from './shell-commands.ts';

const blocks = fencedBlocks(readFileSync(checkoutPath('docs/DEPLOY.md'), 'utf8'));

it('every command of docs/DEPLOY.md is in a test, as it stands or by the name of its block', () => {
  const commands = blocks.filter(({ language }) => language === 'sh');
  expect(commands.length).toBeGreaterThan(8);
  for (const block of commands) {
    const test = readFileSync(checkoutPath(block.runBy ?? `(line ${block.line} is run by no test)`), 'utf8');
    if (block.file !== undefined) expect(test).toContain(`'${block.file}'`);
    else for (const { text } of shellCommands(block)) expect(plain(test)).toContain(plain(text));
  }
});

it('what it shows beside commands is not one', () => {
  const shown = blocks.filter(({ language }) => language === 'text').map(({ text }) => text);
  // What a listener to events needs is in no registry of the tests, and an upgrade needs the one of the base images. What
  // only an accident asks for is tried where the accident is.
  const notRun = /^(docker run --rm -it .*nats-box|git pull\n|avtomatika-bot worker )/;
  for (const text of shown)
    if (!notRun.test(text)) expect(text).not.toMatch(/^(docker|sh|npm|npx|node|avtomatika-bot) /m);
});

/** A long command may be broken over lines in a test. */
const plain = (text: string): string =>
  text
    .replace(/\\?\\\n\s*/g, '')
    .replace(/ +/g, ' ')
    .replaceAll('your_token', '${token}');
