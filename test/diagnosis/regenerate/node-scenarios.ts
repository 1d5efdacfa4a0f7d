/** Node itself, without a library for bots. */
import type { Scenario } from './scenario.ts';

const script = (
  name: string,
  files: Readonly<Record<string, string>>,
  more: Partial<Scenario> & { readonly start?: string } = {},
): Scenario => {
  const { start = 'bot.js', ...rest } = more;
  return { name, kind: 'run', files, argv: () => ['node', start], ...rest };
};

const program = (name: string, code: string, more: Partial<Scenario> = {}): Scenario =>
  script(name, { 'bot.js': `${code}\n` }, more);

export const nodeScenarios: readonly Scenario[] = [
  program('node-package-known', "const { Bot } = require('grammy');"),
  program('node-package-unknown', "require('company-lib/client');"),
  script('node-package-known-esm', { 'bot.mjs': "import { Telegraf } from 'telegraf';\n" }, { start: 'bot.mjs' }),
  program('node-own-file', "require('./config');"),
  script('node-own-file-esm', { 'bot.mjs': "import { token } from './config.mjs';\n" }, { start: 'bot.mjs' }),
  script('node-start-absent', {}),
  script('node-import-outside-module', {
    'bot.js': "import fs from 'node:fs';\nconsole.log(fs);\n",
    'package.json': '{"type":"commonjs"}\n',
  }),
  script('node-require-in-module', { 'bot.mjs': "const fs = require('fs');\n" }, { start: 'bot.mjs' }),
  script('node-syntax-imported', { 'bot.js': "require('./handlers/start');\n", 'handlers/start.js': 'const a = {;\n' }),
  script(
    'node-own-export',
    { 'bot.mjs': "import { start } from './handlers.mjs';\n", 'handlers.mjs': 'export const stop = 1;\n' },
    { start: 'bot.mjs' },
  ),
  program('node-not-writable', "require('fs').writeFileSync('/etc/bot.json', '{}');", { nobody: true }),
  program('node-memory', 'const all = [];\nfor (;;) all.push(new Array(100000).fill(1.5));', {
    argv: () => ['node', '--max-old-space-size=64', 'bot.js'],
  }),
  program(
    'node-port',
    "const http = require('http');\nconst a = http.createServer().listen(0, '127.0.0.1', () => http.createServer().listen(a.address().port, '127.0.0.1'));",
  ),
  program('node-localhost', "require('net').connect(6379, '127.0.0.1');", { offline: true }),
  program('node-refused', "require('net').connect(6379, '10.0.0.5');", { refused: true }),
  program('node-refused-fetch', "fetch('http://10.0.0.5:8080/api');", { refused: true }),
  program('node-refused-6', "require('net').connect(6379, 'fd00::1');", { refused: true }),
  program('node-certificate', 'fetch(process.env.URL);', { env: ({ untrusted }) => ({ URL: untrusted }) }),
  program('node-ffmpeg', "require('child_process').spawn('ffmpeg', ['-version']);"),
  program('node-missing-file', "require('fs').readFileSync('config.json');"),
  script('node-typescript', { 'bot.ts': 'const a: number = 1;\n' }, { start: 'bot.ts' }),
  script('node-24-typescript-enum', { 'bot.ts': 'enum Menu {\n  Main,\n}\n' }, { newNode: true, start: 'bot.ts' }),
  // Set aside.
  program('node-localhost-names', "require('net').connect(5432, 'localhost');", { offline: true, unseen: true }),
  script(
    'node-24-own-file-esm',
    { 'bot.mjs': "import { menu } from './menus/main.js';\n" },
    { newNode: true, start: 'bot.mjs', unseen: true },
  ),
];
