import { describe, expect, it } from 'vitest';
import { fencedBlocks } from './fenced-blocks.ts';
import { comparable } from './same-answer.ts';
import { shellCommands } from './shell-commands.ts';

describe('a page', () => {
  it('has its blocks with their language, line and file', () => {
    const page = 'text\n```sh\nls\n```\n<!-- file: a.mjs -->\n```js\nrun();\n\nend();\n```\n';
    const plain = { file: undefined, runBy: undefined, endsWith: 0 };
    expect(fencedBlocks(page)).toEqual([
      { ...plain, language: 'sh', text: 'ls', line: 3 },
      { ...plain, language: 'js', text: 'run();\n\nend();', line: 7, file: 'a.mjs' },
    ]);
    const said = '<!-- run by: test/x.test.ts -->\n```sh\nls\n```\n<!-- ends with: 3 -->\n```sh\nls\n```\n';
    expect(fencedBlocks(said)).toMatchObject([
      { runBy: 'test/x.test.ts', endsWith: 0 },
      { runBy: undefined, endsWith: 3 },
    ]);
    expect(() => fencedBlocks('```sh\nls\n')).toThrow('line 1');
  });
});

describe('a sh block', () => {
  const texts = (text: string) => shellCommands({ text, line: 10 }).map((command) => [command.line, command.text]);

  it('has one command a line, without empty lines and comments of their own', () => {
    expect(texts('a\n\n# why\nb -f  # it\'s "open"\nc')).toEqual([
      [10, 'a'],
      [13, 'b -f  # it\'s "open"'],
      [14, 'c'],
    ]);
  });

  it('has longer commands by a backslash or an open quote', () => {
    expect(texts('curl -d \'{\n  "a": 1\n}\'\nx \\\n  y')).toEqual([
      [10, 'curl -d \'{\n  "a": 1\n}\''],
      [13, 'x \\\n  y'],
    ]);
    expect(() => texts("echo 'a")).toThrow('line 10');
  });

  it('has a here-document and a loop as one command', () => {
    expect(texts("cat > a.py << 'EOF'\n# it's\n\nrun(\"x)\nEOF\nls")).toEqual([
      [10, "cat > a.py << 'EOF'\n# it's\n\nrun(\"x)\nEOF"],
      [15, 'ls'],
    ]);
    expect(texts('for i in 1 2; do\n  a $i \\\n    b\ndone\nls')).toEqual([
      [10, 'for i in 1 2; do\n  a $i \\\n    b\ndone'],
      [14, 'ls'],
    ]);
    expect(() => texts('cat << EOF\na')).toThrow('line 10');
    expect(() => texts('for i in 1; do\na')).toThrow('line 10');
  });
});

describe('two answers', () => {
  it('are the same when only ids and times differ, and else are not', () => {
    const shown = '{"job_id":"01M823H42F9JV9HDVHMA0C6P43","logs":"2026-11-22T17:15:21.062Z hi\\n","n":1}';
    const came = '{"n":1,"job_id":"01M824993A2N0QRZJZ16Q2RJEF","logs":"2027-01-01T00:00:00.000Z hi\\n"}';
    expect(comparable(came)).toEqual(comparable(shown));
    expect(comparable(came.replace('hi', 'ho'))).not.toEqual(comparable(shown));
  });
});
