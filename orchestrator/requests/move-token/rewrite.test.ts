import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { expectLinear } from '../../../test/linear/growth.ts';
import { isRewritten, rewrite } from './rewrite.ts';

const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
const run = (path: string, text: string) =>
  rewrite({ path, text: text.replaceAll('TOKEN!', token), token, variable: 'BOT_TOKEN', userId: 'ann' });
const textOf = async (path: string, text: string): Promise<string> => {
  const rewriting = await run(path, text);
  return isRewritten(rewriting) ? rewriting.text : `not: ${rewriting.line}: ${rewriting.why}`;
};
const py = 'os.environ["BOT_TOKEN"]';

const rewritten: readonly (readonly [string, string, string])[] = [
  ['bot.py', 'T = "TOKEN!"\n', `import os\nT = ${py}\n`],
  ['bot.py', "import os\nT = 'TOKEN!'\n", `import os\nT = ${py}\n`],
  ['bot.py', 'import sys, os\nT = r"TOKEN!"\n', `import sys, os\nT = ${py}\n`],
  ['bot.py', 'def f():\n    import os\nT = """TOKEN!"""\n', `import os\ndef f():\n    import os\nT = ${py}\n`],
  [
    'bot.py',
    '#!/usr/bin/python3\n# -*- coding: utf-8 -*-\n"""About\nimport os\n"""\nfrom __future__ import annotations\nimport x\nT = u"TOKEN!"\n',
    `#!/usr/bin/python3\n# -*- coding: utf-8 -*-\n"""About\nimport os\n"""\nfrom __future__ import annotations\nimport os\nimport x\nT = ${py}\n`,
  ],
  [
    'bot.py',
    `x = f"{d["a"]} '"; T = dict(a="it's", t="TOKEN!")  # TOKEN!\n`,
    `import os\nx = f"{d["a"]} '"; T = dict(a="it's", t=${py})  # BOT_TOKEN\n`,
  ],
  ['bot.py', 'T = ("TOKEN!" if x else "TOKEN!")\r\n', `import os\r\nT = (${py} if x else ${py})\r\n`],
  ['bot.py', '# TOKEN!\nimport y\n', '# BOT_TOKEN\nimport y\n'],
  ['bot.mjs', "const t = 'TOKEN!'; // TOKEN!\n", 'const t = process.env.BOT_TOKEN; // BOT_TOKEN\n'],
  ['bot.js', 'const a = /["\']/, b = { t: "TOKEN!" };\n', 'const a = /["\']/, b = { t: process.env.BOT_TOKEN };\n'],
  [
    'bot.cjs',
    'const a = `${b ? `"` : "}"}`; use(c ? "x" : "TOKEN!")',
    'const a = `${b ? `"` : "}"}`; use(c ? "x" : process.env.BOT_TOKEN)',
  ],
  ['bot.ts', "const t: string = 'TOKEN!';", 'const t: string = process.env.BOT_TOKEN!;'],
  // As minifiers write it.
  ['bot.js', 'function f(){return"TOKEN!"}', 'function f(){return process.env.BOT_TOKEN}'],
  ['bot.js', 'if("TOKEN!"in a)b()', 'if(process.env.BOT_TOKEN in a)b()'],
  ['bot.py', 'def f():\n  return"TOKEN!"\n', `import os\ndef f():\n  return ${py}\n`],
  [
    'bot.py',
    'from os import path\nimport sys, os.path as p\nsays = "for os in x"\nT = "TOKEN!"\nprint(os.name)\n',
    `import os\nfrom os import path\nimport sys, os.path as p\nsays = "for os in x"\nT = ${py}\nprint(os.name)\n`,
  ],
  ['.env', 'A=1\nBOT_TOKEN=TOKEN!\nB=2\n', 'A=1\nB=2\n'],
  ['.env', 'export T="TOKEN!" # mine\r\n# TOKEN!\r\n', '# BOT_TOKEN\r\n'],
];

it.each(rewritten)('takes the token out of %s: %s', async (path, text, expected) => {
  expect(await textOf(path, text)).toBe(expected);
});

it('makes Python that Python takes', async () => {
  const texts = rewritten.flatMap(([path, text]) => (path === 'bot.py' && !text.includes('d["a"]') ? [text] : []));
  const codes = await Promise.all(texts.map((text) => textOf('bot.py', text)));
  const script = 'import sys, json\nfor code in json.load(sys.stdin): compile(code, "bot.py", "exec")\nprint("fine")';
  expect(execFileSync('python3', ['-c', script], { input: JSON.stringify(codes) }).toString()).toBe('fine\n');
});

it.each([
  ['bot.py', 'T = f"TOKEN!"', 'it is only a part of a text'],
  ['bot.py', 'T = b"TOKEN!"', 'it is only a part of a text'],
  ['bot.py', 'U = "https://api.telegram.org/botTOKEN!/getMe"', 'it is only a part of a text'],
  ['bot.py', 'T = ("TOKEN!"\n  # more\n  "x")', 'another text stands beside it'],
  ['bot.py', 'T = "" "TOKEN!"', 'another text stands beside it'],
  ['bot.py', 'match x:\n  case "TOKEN!": pass', 'no variable may stand there'],
  ['bot.py', 'import y as os\nT = "TOKEN!"', 'the name "os" means something else in it'],
  ['bot.py', 'os = 1\nT = "TOKEN!"', 'the name "os" means something else in it'],
  ['bot.py', 'match x:\n  case "a" | "TOKEN!": pass', 'no variable may stand there'],
  ['bot.py', 'def f(os):\n  return "TOKEN!"', 'the name "os" means something else in it'],
  ['bot.py', 'for os in "ab": T = "TOKEN!"', 'the name "os" means something else in it'],
  ['bot.py', 'from aiofiles import os\nT = "TOKEN!"', 'the name "os" means something else in it'],
  ['bot.py', 'os, x = 1, 2\nT = "TOKEN!"', 'the name "os" means something else in it'],
  ['bot.py', 'def f():\n  T = "TOKEN!"\n  import os', 'the name "os" means something else in it'],
  ['bot.py', 'from __future__ import (\n  annotations)\nT = "TOKEN!"', 'there is no plain place for "import os" in it'],
  ['bot.py', '"a" "b"\nfrom __future__ import x\nT = "TOKEN!"', 'there is no plain place for "import os" in it'],
  ['bot.js', 'const t = `TOKEN!`', 'it is only a part of a text'],
  ['bot.js', "const t = { 'TOKEN!': 1 }", 'no variable may stand there'],
  ['bot.js', "import 'TOKEN!'", 'no variable may stand there'],
  ['bot.ts', "type T = 'TOKEN!';", 'the file cannot be read as JavaScript'],
  ['bot.js', "const t = 'TOKEN!'; }", 'the file cannot be read as JavaScript'],
  ['config.json', '{"token": "TOKEN!"}', 'it is neither Python, JavaScript nor a .env file'],
  ['bot.jsx', '<A token="TOKEN!" />', 'it is neither Python, JavaScript nor a .env file'],
  ['.env', 'URL=https://api.telegram.org/botTOKEN!/', 'it is only a part of the value'],
  ['bot.py', '# mine\rT = "TOKEN!"', 'some of its lines end with a lone CR, U+2028 or U+2029'],
  ['.env', '# mine\rT=TOKEN!', 'some of its lines end with a lone CR, U+2028 or U+2029'],
  ['bot.js', '// mine\u00e2\u0080\u00a8const t = "TOKEN!"', 'some of its lines end with a lone CR, U+2028 or U+2029'],
])('leaves %s to its author: %s', async (path, text, why) => {
  expect(await run(path, text)).toMatchObject({ why });
});

it('says what it has changed, without the token', async () => {
  const rewriting = await run('bot.py', 'x = 1\nT = "TOKEN!"\n');
  expect(isRewritten(rewriting) && rewriting.changes).toEqual([
    'bot.py:2: the token is now os.environ["BOT_TOKEN"]',
    'bot.py:1: import os was added',
  ]);
});

it('can still read the next file after one that breaks the parser', async () => {
  for (const broken of ['(', '[', '!', 'a=>', '`${']) {
    const text = `f("TOKEN!");\n${broken.repeat(20_000)}`;
    expect(await run('bot.js', text)).toMatchObject({ why: 'the file cannot be read as JavaScript' });
  }
  expect(await textOf('bot.js', 'f("TOKEN!")')).toBe('f(process.env.BOT_TOKEN)');
});

it('takes linear time', async () => {
  for (const part of ['"', "'''", '`', '`${', '/', '#\n', '{', '\\', 'f"{']) {
    for (const path of ['bot.py', 'bot.js']) {
      await expectLinear(32 * 1024, (size) => {
        const text = part.repeat(Math.ceil(size / part.length));
        return () => textOf(path, text);
      });
    }
  }
});

it.each([
  ['.env', 'A=TOKEN!\nB=', ' ', 'x x'],
  ['.env', '', 'A="TOKEN!"\n', ''],
  ['bot.py', '', 'T = "TOKEN!"\n', ''],
  ['bot.py', '', '# TOKEN!\n', ''],
  ['bot.py', 'T = "TOKEN!"\nimport x', ', os.y', ''],
  ['bot.js', 'f(', '"TOKEN!",\n', '0);'],
])('takes linear time for many tokens and long lines: %s %j %j %j', async (path, before, part, after) => {
  await expectLinear(120 * 1024, (size) => {
    const given = part.replaceAll('TOKEN!', token);
    const text = `${before}${given.repeat(Math.max(1, Math.floor((size - before.length) / given.length)))}${after}`;
    return () => textOf(path, text);
  });
});
