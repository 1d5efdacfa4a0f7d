import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { readLine, readPassword } from './stdin.ts';

function setUp() {
  const stdin = new PassThrough();
  const clock = createManualClock();
  const ending = new AbortController();
  const terminal = { stdin: false };
  return { stdin, clock, ending, context: { stdin, clock, signal: ending.signal, terminal } };
}

describe('a password from stdin', () => {
  it('is all that comes, to its end', async () => {
    const { stdin, context } = setUp();
    const read = readPassword(context);
    stdin.write('p');
    stdin.end('ä ss\n');
    expect(await read).toBe('pä ss\n');
  });

  it('is not read from a terminal, where it would show', () => {
    const { context } = setUp();
    expect(() => readPassword({ ...context, terminal: { stdin: true } })).toThrow('Pipe the password in');
  });

  it('is waited for five minutes at most', async () => {
    const { clock, context } = setUp();
    const read = readPassword(context);
    clock.advance(5 * 60_000);
    await expect(read).rejects.toThrow('Standard input was empty.');
  });

  it('is given up on Ctrl-C, also when that came before', async () => {
    const { ending, context } = setUp();
    const read = readPassword(context);
    ending.abort(new Error('interrupted'));
    await expect(read).rejects.toThrow('interrupted');
    await expect(readPassword(context)).rejects.toThrow('interrupted');
  });

  it('is bounded, and must be text', async () => {
    const endless = setUp();
    endless.stdin.end(Buffer.alloc(65 * 1024, 'a'));
    await expect(readPassword(endless.context)).rejects.toThrow('Standard input is longer than 65536 bytes.');
    const binary = setUp();
    binary.stdin.end(Buffer.of(0xff));
    await expect(readPassword(binary.context)).rejects.toThrow('Standard input is not UTF-8 text.');
  });
});

it.each<[string[], string]>([
  [['y\n'], 'y'],
  [['y', 'es\r\n', 'more'], 'yes'],
  [['\n'], ''],
])('a line of %j is %j, though the input does not end', async (pieces, line) => {
  const { stdin, context } = setUp();
  const read = readLine(context);
  for (const piece of pieces) stdin.write(piece);
  expect(await read).toBe(line);
});

it('a line may end with the input', async () => {
  const { stdin, context } = setUp();
  stdin.end('n');
  expect(await readLine(context)).toBe('n');
  expect(await readLine({ ...setUp().context, stdin: new PassThrough().end() })).toBe('');
});
