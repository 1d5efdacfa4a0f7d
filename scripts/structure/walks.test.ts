import { describe, expect, it } from 'vitest';
import { type MadeCall, wayOf } from './call-way.ts';
import { innermostAt, probeText } from './probe-text.ts';

const text = `
export function plain(a) { return a + 1; }
export const arrow = (a) => a * 2;
export const empty = () => {};
export const nested = (a) => (b) => ({ a, b });
export class Thing { value = 1; async method() { await null; return this.value; } }
export function* several() { yield 1; yield 2; }
`;

describe('probes', () => {
  it('see each function begin and end, and change nothing that it does', async () => {
    const { source, functions } = probeText(text, 'worker/a.ts');
    const seen: string[] = [];
    const nameOf = (id: number) => functions.find((one) => one.id === id)?.name;
    const body = `${source.replaceAll('export ', '')}; return { plain, arrow, empty, nested, Thing, several };`;
    const run = new Function('__entered', '__left', body);
    const made = run(
      (path: string, id: number) => {
        seen.push(`${path} ${nameOf(id)}`);
        return id;
      },
      (id: number) => seen.push(`end of ${nameOf(id)}`),
    );
    expect([made.plain(1), made.arrow(2), made.empty(), made.nested(3)(4)]).toEqual([2, 4, undefined, { a: 3, b: 4 }]);
    expect([await new made.Thing().method(), [...made.several()]]).toEqual([1, [1, 2]]);
    const entered = [
      'plain',
      'end of plain',
      'arrow',
      'empty',
      'end of empty',
      'nested',
      '',
      'method',
      'end of method',
    ];
    expect(seen).toEqual(
      [...entered, 'several', 'end of several'].map((one) => (one.startsWith('end') ? one : `worker/a.ts ${one}`)),
    );
    expect(source.split('\n')).toHaveLength(text.split('\n').length);
  });

  it('know the innermost function at a place of the text with probes', () => {
    const { source, functions } = probeText(text, 'worker/a.ts');
    const lines = source.split('\n');
    const at = (word: string) => {
      const line = lines.findIndex((one) => one.includes(word));
      return innermostAt(functions, line + 1, (lines[line]?.indexOf(word) ?? 0) + 1)?.name;
    };
    expect(['return a + 1', 'a * 2', '{ a, b }', 'this.value', 'yield 2', 'value = 1'].map(at)).toEqual([
      'plain',
      'arrow',
      '',
      'method',
      'several',
      undefined,
    ]);
  });
});

describe('the way of a request', () => {
  const call = (path: string, by?: MadeCall, name = ''): MadeCall => ({ path, name, by });
  const door = call('b/door.ts', call('a/main.ts'));
  const deep = call('b/deep.ts', call('b/rule.ts', call('b/door.ts', call('b/rule.ts', door))), 'act');
  const stage = { from: /^b\/door\.ts$/, through: /rule/, to: /^b\/deep\.ts act$/ };

  it('begins at the first file and names each once, however often it is entered', () => {
    expect(wayOf([call('b/deep.ts', door, 'act'), deep], stage)).toEqual(['b/door.ts', 'b/rule.ts', 'b/deep.ts']);
  });

  it('is the first that arrived, and an error when none did', () => {
    const later = call('b/deep.ts', call('b/other-rule.ts', door), 'act');
    expect(wayOf([later, deep], stage)).toEqual(['b/door.ts', 'b/other-rule.ts', 'b/deep.ts']);
    expect(() => wayOf([call('b/deep.ts', door, 'look')], stage)).toThrow('no call went from');
  });
});
