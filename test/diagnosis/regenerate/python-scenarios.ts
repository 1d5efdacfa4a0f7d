/** Python itself, without a library for bots. */
import type { Scenario } from './scenario.ts';

const script = (
  name: string,
  files: Readonly<Record<string, string>>,
  more: Partial<Scenario> & { readonly start?: string } = {},
): Scenario => {
  const { start = 'bot.py', ...rest } = more;
  return { name, kind: 'run', files, argv: () => ['python', start], ...rest };
};

const program = (name: string, code: string, more: Partial<Scenario> = {}): Scenario =>
  script(name, { 'bot.py': `${code}\n` }, more);

export const pythonScenarios: readonly Scenario[] = [
  script(
    'python-own-module',
    { 'src/main.py': 'from src.handlers import start\n', 'src/handlers.py': 'start = 1\n', 'src/__init__.py': '' },
    { start: 'src/main.py' },
  ),
  script('python-own-submodule', { 'bot.py': 'import handlers.start\n', 'handlers/__init__.py': '' }),
  script(
    'python-own-name',
    { 'main.py': 'from bot import main\n\nmain()\n', 'bot.py': 'TOKEN = 1\n' },
    { start: 'main.py' },
  ),
  script(
    'python-circular-import',
    {
      'main.py': 'import handlers\n',
      'handlers.py': 'from texts import hello\n\nname = 1\n',
      'texts.py': 'from handlers import name\n\nhello = name\n',
    },
    { start: 'main.py' },
  ),
  script('python-own-file-hides-package', { 'bot.py': 'from telegram import Update\n', 'telegram.py': 'x = 1\n' }),
  program('python-module-known', 'from aiogram import Bot'),
  program('python-module-unknown', 'import companylib.client'),
  program('python-module-removed', 'import distutils.util', { python: '3.12' }),
  program('python-name-removed', 'from collections import Mapping'),
  script(
    'python-syntax-imported',
    { 'main.py': 'import texts\n', 'texts.py': 'hello = "hi"\n\ndef greet(name)\n    return hello\n' },
    { start: 'main.py' },
  ),
  script('python-indentation-imported', {
    'bot.py': 'import handlers.start\n',
    'handlers/start.py': 'def start():\n    x = 1\n      y = 2\n',
  }),
  script(
    'python-syntax-null-byte',
    { 'main.py': 'import texts\n', 'texts.py': 'hello = "hi"\n\u0000' },
    { start: 'main.py' },
  ),
  script(
    'python-syntax-encoding',
    { 'main.py': 'import texts\n', 'texts.py': '# coding: ascii\nhello = "приве\u0442"\n' },
    { start: 'main.py' },
  ),
  program('python-tabs', 'def start():\n    x = 1\n\ty = 2'),
  program('python-syntax-unclosed', 'import os\n\nprint(os.environ["HOME"'),
  program('python-input', 'name = input("Token: ")'),
  script('python-relative-import', { 'bot.py': 'from .handlers import start\n', 'handlers.py': 'start = 1\n' }),
  program('python-sqlite-open', 'import sqlite3\nsqlite3.connect("/var/db/bot/users.db")'),
  program(
    'python-sqlite-readonly',
    'import sqlite3\nsqlite3.connect("users.db").execute("create table a (b)")\nsqlite3.connect("file:users.db?mode=ro", uri=True).execute("insert into a values (1)")',
  ),
  program(
    'python-sqlite-locked',
    'import sqlite3\nfirst = sqlite3.connect("users.db", isolation_level=None)\nfirst.execute("create table a (b)")\nfirst.execute("begin exclusive")\nsqlite3.connect("users.db", timeout=0).execute("insert into a values (1)")',
  ),
  program(
    'python-threads',
    'import os, resource, threading\nresource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\nthreading.Thread(target=print).start()',
    { nobody: true },
  ),
  program('python-certificate', 'import os, urllib.request\nurllib.request.urlopen(os.environ["URL"])', {
    env: ({ untrusted }) => ({ URL: untrusted }),
  }),
  program('python-time-zone', 'from zoneinfo import ZoneInfo\nZoneInfo("Europe/Moscow")', {
    env: () => ({ PYTHONTZPATH: '' }),
  }),
  program('python-ffmpeg', 'import subprocess\nsubprocess.run(["ffmpeg", "-version"], check=True)'),
  program(
    'python-shell-ffmpeg',
    'import subprocess\nsubprocess.run("ffmpeg -i voice.ogg voice.mp3", shell=True, check=True)',
  ),
  program('python-asyncio-localhost', 'import asyncio\nasyncio.run(asyncio.open_connection("localhost", 6379))', {
    offline: true,
  }),
  program('python-socket-localhost', 'import socket\nsocket.create_connection(("localhost", 6379))', { offline: true }),
  program('python-redis', 'import redis\nredis.Redis(host="localhost").ping()', {
    offline: true,
    pip: ['redis>=5,<6'],
  }),
  program('python-refused', 'import asyncio\nasyncio.run(asyncio.open_connection("10.0.0.5", 6379))', {
    refused: true,
  }),
  program('python-refused-url', 'import urllib.request\nurllib.request.urlopen("http://10.0.0.5:8080/api")', {
    refused: true,
  }),
  program('python-refused-redis', 'import redis\nredis.Redis(host="10.0.0.5").ping()', {
    refused: true,
    pip: ['redis>=5,<6'],
  }),
  program('python-refused-mail', 'import smtplib\nsmtplib.SMTP("10.0.0.5", 587)', { refused: true }),
  program('python-refused-6', 'import socket\nsocket.create_connection(("fd00::1", 6379))', { refused: true }),
  program('python-variable', 'import os\nTOKEN = os.environ["BOT_TOKEN"]'),
  program('python-variable-number', 'import os\nADMIN = int(os.getenv("ADMIN_ID"))'),
  program('python-variable-split', 'import os\nADMINS = [int(x) for x in os.environ.get("ADMIN_IDS").split(",")]'),
  program('python-not-writable', 'open("/etc/bot.db", "w")', { nobody: true }),
  program('python-read-only', 'open("/mnt/bot.log", "w")', {
    argv: () => ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o ro tmpfs /mnt && exec python bot.py'],
  }),
  program('python-missing-file', 'import json\nconfig = json.load(open("config.json"))'),
  program('python-disk-full', 'with open("/dev/full", "w") as log:\n    log.write("x")'),
  program(
    'python-memory',
    'import resource\nresource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\nx = bytearray(2 * 10**9)',
  ),
  program(
    'python-port',
    'import socket\na = socket.create_server(("127.0.0.1", 0))\nb = socket.socket()\nb.bind(a.getsockname())',
  ),
  program('python-name-resolution', 'import urllib.request\nurllib.request.urlopen("http://api.example.com/")', {
    offline: true,
  }),
  script('python-file-absent', {}, { start: 'main.py' }),
  // Set aside.
  script(
    'python-3.13-own-module',
    { 'app/run.py': 'from app.utils.db import connect\n', 'app/utils/db.py': 'connect = 1\n', 'app/__init__.py': '' },
    { python: '3.13', start: 'app/run.py', unseen: true },
  ),
  script(
    'python-3.9-syntax-nested',
    {
      'bot.py': 'from routers import admin\n',
      'routers/__init__.py': '',
      'routers/admin.py': 'def act(x):\n    match x:\n        case 1:\n            return 2\n',
    },
    { python: '3.9', unseen: true },
  ),
  program('python-3.13-input', 'import sys\ndef ask():\n    return int(input())\nask()', {
    python: '3.13',
    unseen: true,
  }),
  script(
    'python-3.12-relative-beyond',
    {
      'bot.py': 'import handlers.start\n',
      'handlers/__init__.py': '',
      'handlers/start.py': 'from ..texts import hello\n',
    },
    { python: '3.12', unseen: true },
  ),
  program('python-3.9-time-zone', 'import zoneinfo\nzone = zoneinfo.ZoneInfo("Asia/Tashkent")', {
    python: '3.9',
    env: () => ({ PYTHONTZPATH: '' }),
    unseen: true,
  }),
  program(
    'python-thread-pool',
    'import resource\nfrom concurrent.futures import ThreadPoolExecutor\nresource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\nwith ThreadPoolExecutor(4) as pool:\n    print(list(pool.map(abs, [1, 2])))',
    { nobody: true, unseen: true },
  ),
  program(
    'python-3.12-sqlite-open',
    'import sqlite3\n\ndef main():\n    return sqlite3.connect("data/bot.sqlite3").execute("select 1")\n\nmain()',
    { python: '3.12', unseen: true },
  ),
  program(
    'python-3.13-executable',
    'import asyncio\nasyncio.run(asyncio.create_subprocess_exec("ffmpeg", "-version"))',
    {
      python: '3.13',
      unseen: true,
    },
  ),
];
