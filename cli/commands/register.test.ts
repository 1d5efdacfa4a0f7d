import { describe, expect, it } from 'vitest';
import type { CliContext } from '../calls/context.ts';
import { loadCommand } from './catalogue.ts';
import { bindWords } from './register.ts';

const context = { env: {} } as CliContext; // no more of it is read to bind values
const bind = async (command: string, options: readonly string[], positionals: readonly string[]) =>
  bindWords(await loadCommand(command), [...command.split(' '), ...options, '--', ...positionals], context);

describe('words of a command', () => {
  it('come into the fields of its class', async () => {
    const options = ['--simple=a', '--memory=1g', '--simple=', '--pull', '--simple=b=c', '--memory=2g', '--pull'];
    expect(await bind('start', options, ['my-bot'])).toMatchObject({
      bot: 'my-bot',
      simple: ['a', '', 'b=c'],
      memory: '2g',
      pull: true,
      inline: false,
      requirements: undefined,
      env: [],
      context,
    });
    expect(await bind('stop', [], ['a', '', '--b'])).toMatchObject({ bots: ['a', '', '--b'], timeout: undefined });
    expect(await bind('worker adopt', ['--take'], ['w', '1'])).toMatchObject({ words: ['w', '1'], take: true });
  });

  it('may be as many as a shell hands over, in linear time', async () => {
    const words = (count: number) => Array.from({ length: count }, (_, at) => `w${at}`);
    const timeMs = async (count: number) => {
      const begun = performance.now();
      const start = await bind(
        'start',
        words(count).map((word) => `--simple=${word}`),
        ['b'],
      );
      const stop = await bind('stop', [], words(count));
      const took = performance.now() - begun;
      expect(start).toMatchObject({ simple: words(count) });
      expect(stop).toMatchObject({ bots: words(count) });
      return took;
    };
    await timeMs(10);
    // A thousand times as many: two hundred times would be far from what copying costs, and far above what it takes.
    expect((await timeMs(20_000)) / (await timeMs(20))).toBeLessThan(200);
  });
});
