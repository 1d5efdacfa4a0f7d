import { describe, expect, it } from 'vitest';
import { type Finding, warningsOf } from './findings.ts';
import { createSourceSearch } from './search.ts';

// Put together here, so that nobody who searches this repository takes them for real ones.
const random = 'q7Zp2LmX9vTk4RwB8nYc3HdF6sJg1QaE5uKo0IyWbVtMxNzPeArDhSfGlCjUiOq7Zp2LmX9vTk4RwB8nYc3';
const some = (length: number) => random.repeat(3).slice(0, length);
const key = `${'-'.repeat(5)}BEGIN PRIVATE KEY${'-'.repeat(5)}`;
const secrets = {
  aws: `AK${'IA'}Q3ZP2LMX6VTK4RWB`,
  github: `gh${'p_'}${some(36)}`,
  gitlab: `glpa${'t-'}${some(20)}`,
  slack: `xox${'b-'}482916350718-${some(24)}`,
  stripe: `sk_liv${'e_'}${some(24)}`,
  google: `AI${'za'}${some(35)}`,
  openai: `s${'k-'}proj-${some(48)}`,
  npm: `np${'m_'}${some(36)}`,
  pypi: `pyp${'i-'}AgEIcHlwaS5vcmc${some(80)}`,
  discord: `M${some(23)}.${some(6)}.${some(27)}`,
  private_key: `${key}\n${some(64)}\n`,
  url_password: `postgres://bot:${some(12)}@db.internal:5432/bot`,
};

async function find(name: string, text: string, pieceBytes = 1 << 20): Promise<readonly Finding[]> {
  const search = createSourceSearch();
  const bytes = Buffer.from(text);
  const content = (async function* () {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  })();
  await search.read({ name, sizeBytes: bytes.length, content });
  return search.found.findings();
}

describe.each(Object.entries(secrets))('%s', (kind, secret) => {
  it.each([
    ['bot.py', `import os\nX = "SECRET"\n`],
    ['bot.py', `import os\n# SECRET\n`],
    ['config/settings.json', `{\n"x": "SECRET" }`],
    ['.env', 'A=1\nX=SECRET\n'],
    ['config.yaml', `a: b\nx: 'SECRET'\n`],
  ])('is found in %s, and neither it nor a part of it is shown', async (name, text) => {
    const found = await find(
      name,
      text.replace('SECRET', () => secret),
    );
    expect(found).toEqual([{ kind, file: name, line: 2, isUsed: false }]);
    const [warning = ''] = warningsOf(found, true);
    expect(warning).toContain(`${name}:2`);
    for (let at = 0; at + 8 < secret.length; at += 1) expect(warning).not.toContain(secret.slice(at, at + 8));
  });

  it.each(['tests/test_bot.py', 'README.md', 'docs/setup.yaml', '.env.example', 'node_modules/lib/index.js'])(
    'is not reported in %s',
    async (name) => {
      expect(await find(name, `x = "${secret}"\n`)).toEqual([]);
    },
  );
});

it('finds a secret wherever a file is cut, once, and knows its line', async () => {
  const text = `${'filler\n'.repeat(100)}{"cell": ["key = '${secrets.github}'\\n"]}\n${'filler\n'.repeat(100)}`;
  for (const pieceBytes of [1, 7, 64, 511, 512, 513, 4096]) {
    expect(await find('bot.ipynb', text, pieceBytes)).toEqual([
      { kind: 'github', file: 'bot.ipynb', line: 101, isUsed: false },
    ]);
  }
});

it('finds what PowerShell has written in UTF-16', async () => {
  const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
  const search = createSourceSearch();
  const bytes = Buffer.from(`\ufeffBOT_TOKEN=${token}\r\n`, 'utf16le');
  await search.read({
    name: '.env',
    sizeBytes: bytes.length,
    content: (async function* () {
      yield bytes;
    })(),
  });
  expect([...search.found.used]).toEqual([token]);
});

it.each([
  'KEY = "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"',
  'KEY = "AKIAIOSFODNN7EXAMPLE"',
  'KEY = "sk-your-key-here-0123456789012345678901234567890"',
  'KEY = "sk-cube-grid-with-a-very-long-name-of-a-style-class"',
  'KEY = "glpat-XXXXXXXXXXXXXXXXXXXX"',
  `if "${key}" in text: pass`,
  'URL = "postgres://user:password@localhost/db"',
  'URL = "postgres://postgres:postgres@db/bot"',
  'URL = f"postgres://{user}:{password}@{host}/db"',
  'const url = `redis://${user}:${password}@${host}`',
  'URL = "https://user:secret123@example.com/"',
  'URL = "postgres://bot:%s@%s/bot" % (a, b)',
  'URL = "https://github.com:443/me/bot.git"',
  'EMAIL = "mailto:me@elsewhere.org"',
])('takes no example for a secret: %s', async (text) => {
  expect(await find('bot.py', text)).toEqual([]);
});

it('keeps what it has found within bounds, and quotes names that would confuse a terminal', async () => {
  const lines = Array.from({ length: 10_000 }, () => `x = "${secrets.github}"`).join('\n');
  const found = await find('a\u001b[2Jb.py', lines);
  expect(found.length).toBeLessThan(100);
  expect(warningsOf(found, true)).toEqual([
    expect.stringMatching(/^there is a GitHub token in "a\\u001b\[2Jb\.py":1, .*:3 and other places: /),
  ]);
});
