import { expect, it } from 'vitest';
import { expectLinear } from '../../test/linear/growth.ts';
import { createSourceSearch } from './search.ts';

const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';

async function search(files: Readonly<Record<string, string>>, pieceBytes = 1 << 20) {
  const found = createSourceSearch();
  for (const [name, text] of Object.entries(files)) {
    const bytes = Buffer.from(text);
    const content = (async function* () {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    })();
    await found.read({ name, sizeBytes: bytes.length, content });
  }
  return {
    used: [...found.found.used],
    files: [...new Set(found.found.findings().map(({ file }) => file))],
    places: found.found
      .findings()
      .map(({ kind, file, line, isUsed }) => `${kind} ${file}:${line}${isUsed ? ' used' : ''}`),
  };
}

it.each([
  ['bot.py', `TOKEN = "${token}"`],
  ['bot.py', `bot = Bot(token='${token}')  # mine`],
  ['bot.py', `"""A bot"""\nTOKEN = """${token}"""`],
  ['bot.py', `x = "#"; TOKEN = "${token}"`],
  ['bot.mjs', `const url = 'https://api.telegram.org/bot${token}/getMe';`],
  ['bot.ts', `const a = 'it\\'s // no comment'; const t = \`${token}\``],
  ['src/bot/config.json', `{"token": "${token}"}`],
  ['.env', `COLOUR=a#b\nBOT_TOKEN=${token}\n`],
  ['Dockerfile', `FROM python:3.11-slim\nENV BOT_TOKEN=${token}\n`],
  ['config.yaml', `token: ${token} # mine`],
  ['main.go', `/* a bot */ var t = "${token}"`],
  // What ends a line for the language ends a comment.
  ['bot.py', `# mine\rTOKEN = "${token}"`],
  ['bot.js', `// mine\rconst t = '${token}'`],
  ['bot.js', `// mine\u2028const t = '${token}'`],
])('counts a token in %s: %s', async (name, text) => {
  expect(await search({ [name]: text })).toMatchObject({ used: [token], files: [name] });
});

it.each([
  ['README.md', `Use ${token}`],
  ['bot.py', `# TOKEN = "${token}"`],
  ['bot.py', `def f():\n    """Such as ${token}"""\n`],
  ['bot.py', `def f():\r    """Such as ${token}"""\r`],
  ['bot.js', `// ${token}`],
  ['bot.js', `// mine\r\n// ${token}`],
  ['bot.js', `/*\n * ${token}\n */`],
  ['.env', `# BOT_TOKEN=${token}`],
  ['.env.example', `BOT_TOKEN=${token}`],
  ['tests/test_bot.py', `TOKEN = "${token}"`],
  ['test_bot.py', `TOKEN = "${token}"`],
  ['src/bot.test.ts', `const t = '${token}'`],
  ['docs/conf.py', `t = '${token}'`],
  ['users.db', `\0\0${token}\0`],
])('only finds a token in %s: %s', async (name, text) => {
  expect(await search({ [name]: text })).toMatchObject({ used: [], files: [name] });
});

it.each([
  ['bot.py', 'TOKEN = "your_token"; OTHER = "123:ABC"'],
  ['bot.py', 'TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"'],
  ['bot.py', 'TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"'],
  ['bot.py', `TOKEN = "x${token}"`],
  ['bot.py', `TOKEN = "${token}${'y'.repeat(40)}"`],
  ['node_modules/lib/index.js', `const t = '${token}'`],
])('finds nothing in %s: %s', async (name, text) => {
  expect(await search({ [name]: text })).toMatchObject({ used: [], files: [] });
});

it('finds a token wherever a file is cut', async () => {
  const text = `{"a": "b", "token": "${token}", "c": "d"}`;
  for (let pieceBytes = 1; pieceBytes < text.length; pieceBytes += 1) {
    expect(await search({ 'config.json': text, 'notes.txt': token }, pieceBytes)).toMatchObject({
      used: [token],
      files: ['config.json', 'notes.txt'],
    });
  }
});

it('reads any source in linear time', async () => {
  for (const part of ['"', "'''", '/*', '0', '0:', '123456:', '# ', '\\', ' """\n', '`']) {
    for (const name of ['bot.py', 'bot.js', 'notes.txt']) {
      await expectLinear(512 * 1024, (size) => {
        const text = part.repeat(Math.ceil(size / part.length)) + token;
        return () => search({ [name]: text }, 64 * 1024);
      });
    }
  }
});
