import { describe, expect, it } from 'vitest';
import { explainLine, saysRecovered } from './causes.ts';

const explain = (text: string, before: readonly string[] = [], number = 5) => explainLine({ text, before, number });

const traceback = ['Traceback (most recent call last):', '  File "/app/bot.py", line 3, in <module>'];

describe('the causes recognised in a log', () => {
  it.each([
    'bot-runner: 9: exec: pyton: not found',
    'sh: 1: exec: pyton: not found',
    'bash: line 1: exec: pyton: not found',
    'run.sh: 2: pyton: not found',
  ])('a program that the shell does not find: %s', (line) => {
    expect(explain(line)?.text).toContain('the program pyton is not in the image');
  });

  // Printed by catatonit 0.1.7, the init of Podman 4.3.
  it.each([
    ['No such file or directory', 'what the bot is started with cannot be started'],
    ['Permission denied', 'what the bot is started with may not be executed'],
  ])('the init of Podman that says %s', (why, what) => {
    expect(explain(`ERROR (catatonit:6): failed to exec pid1: ${why}`)?.text).toContain(what);
  });

  it('a None is no missing variable, unless the code says so', () => {
    const none = "TypeError: int() argument must be a string, a bytes-like object or a real number, not 'NoneType'";
    expect(explain(none, [...traceback, '    ADMIN = int(os.getenv("ADMIN"))'])).toMatchObject({
      id: 'missing_variable',
    });
    expect(explain(none, [...traceback, '    ADMIN = int(find("ADMIN"))'])).toBeUndefined();
    expect(explain(none, ['os.getenv("ADMIN")', ...traceback, '    print(int(user))'])).toBeUndefined();
  });

  it.each(['start.sh: 9: exec: uvicorn: not found', 'start.sh: line 1: exec: uvicorn: not found'])(
    'a program that exec does not find: %s',
    (line) => {
      expect(explain(line)).toMatchObject({
        id: 'no_program',
        text: expect.stringContaining('the program uvicorn is'),
      });
    },
  );

  it.each([
    String.raw`/usr/bin/python3: can't open file '/app/x.py\r': [Errno 2] No such file or directory`,
    "Error: Cannot find module '/app/bot.js\r'",
  ])('a script with Windows line endings that starts %j', (line) => {
    expect(explain(line)).toMatchObject({ id: 'windows_lines' });
  });

  it.each([
    [
      'aiogram 3',
      'ERROR:aiogram.dispatcher:Failed to fetch updates - TelegramConflictError: Telegram server says - Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    ],
    [
      'aiogram 2',
      'aiogram.utils.exceptions.TerminatedByOtherGetUpdates: Terminated by other getupdates request; make sure that only one bot instance is running',
    ],
    [
      'python-telegram-bot',
      'telegram.error.Conflict: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    ],
    [
      'grammY',
      "GrammyError: Call to 'getUpdates' failed! (409: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running)",
    ],
    [
      'telegraf',
      'TelegramError: 409: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    ],
    [
      'pyTelegramBotAPI',
      'A request to the Telegram API was unsuccessful. Error code: 409. Description: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    ],
    [
      'the example bot',
      'Another copy of this bot is running, or it has a webhook (409 Conflict: terminated by other getUpdates request; make sure that only one bot instance is running).',
    ],
  ])('a second copy that polls, told by %s', (_library, line) => {
    expect(explain(line)).toMatchObject({
      id: 'conflict',
      text: expect.stringContaining('409 Conflict: another program is polling'),
    });
  });

  it.each([
    "telegram.error.Conflict: Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    "TelegramConflictError: Telegram server says - Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    'Conflict: terminated by setWebhook request',
  ])('a webhook: %s', (line) => {
    expect(explain(line)?.text).toContain('webhook is set');
  });

  it.each([
    'aiogram.exceptions.TelegramUnauthorizedError: Telegram server says - Unauthorized',
    'aiogram.utils.exceptions.Unauthorized: Unauthorized',
    'telegram.error.InvalidToken: The token `[masked]` was rejected by the server.',
    'telegram.error.InvalidToken: Unauthorized',
    'telegram.error.Unauthorized: Unauthorized',
    "GrammyError: Call to 'getMe' failed! (401: Unauthorized)",
    'TelegramError: 401: Unauthorized',
    'Telegram does not know this BOT_TOKEN (401 Unauthorized).',
  ])('a token that Telegram does not know: %s', (line) => {
    expect(explain(line)).toMatchObject({ id: 'unauthorized', text: expect.stringContaining('@BotFather') });
  });

  it.each([
    "aiogram.utils.token.TokenValidationError: Token is invalid! It must be 'str' type instead of <class 'NoneType'> type.",
    'aiogram.utils.exceptions.ValidationError: Token is invalid!',
    'telegram.error.InvalidToken: You must pass the token you received from https://t.me/Botfather!',
    'Error: Empty token!',
    'ValueError: Token must contain a colon',
  ])('what is no token: %s', (line) => {
    expect(explain(line)).toMatchObject({ id: 'bad_token' });
  });

  it.each([
    ["ModuleNotFoundError: No module named 'aiogram'", 'add aiogram to the requirements'],
    ["ModuleNotFoundError: No module named 'telegram.ext'", 'add python-telegram-bot to the requirements'],
    ["ModuleNotFoundError: No module named 'dotenv'", 'add python-dotenv to'],
    ["Error: Cannot find module 'grammy'", 'add grammy to the requirements'],
    [
      "Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@grammyjs/menu' imported from /app/bot.mjs",
      'add @grammyjs/menu to',
    ],
    [
      "ImportError: cannot import name 'executor' from 'aiogram' (/usr/lib/python3/site-packages/aiogram/__init__.py)",
      'executor is not in the installed version of aiogram',
    ],
  ])('a package that is missing or another version: %s', (line, cure) => {
    expect(explain(line)?.text).toContain(cure);
  });

  it.each([
    ["ModuleNotFoundError: No module named 'src'", undefined],
    ["ModuleNotFoundError: No module named 'utils.db'", undefined],
    ["ModuleNotFoundError: No module named 'aiogram_helpers'", undefined],
    ["ModuleNotFoundError: No module named 'src'", ['src']],
    ["ModuleNotFoundError: No module named 'redis'", ['redis']],
    ["ModuleNotFoundError: No module named 'redis.client'; 'redis' is not a package", ['redis']],
    ["ImportError: cannot import name 'main' from 'bot' (/app/bot.py)", ['bot']],
    ["Error: Cannot find module 'company-lib'", undefined],
    ["Error: Cannot find module 'handlers/start'", ['handlers']],
    ["Error: Cannot find module './redis'", undefined],
  ])("no package is proposed by name for what may be anybody's or the bot's own: %s", (text, own) => {
    const said = explainLine({ text, before: traceback, number: 5, ownModules: own && new Set(own) })?.text;
    expect(said).toBeDefined();
    expect(said).not.toMatch(/add (?!that package|it to package\.json)\S+ to/);
    expect(said).not.toMatch(/pin|<\d/);
  });

  it('a syntax error in the file that has it, or in none, but never in one that only imports it', () => {
    const before = [
      'Traceback (most recent call last):',
      '  File "/app/main.py", line 1, in <module>',
      '    import texts',
    ];
    expect(
      explain(
        "SyntaxError: Non-UTF-8 code starting with '\\xcf' in file /app/texts.py on line 7, but no encoding declared",
        before,
      )?.text,
    ).toContain('in texts.py, line 7');
    for (const place of [
      '  File "<fstring>", line 1',
      '  File "/app/\u0442\u0435\u043a\u0441\u0442.py", line 3',
      '  File "<string>", line 1',
    ]) {
      expect(explain('SyntaxError: invalid syntax', [...before, place, '    (a b)'])?.text).toMatch(
        /^the code has a syntax error:/,
      );
    }
  });

  it('a variable that is missing, but not any other missing key', () => {
    expect(explain("KeyError: 'BOT_TOKEN'", [...traceback, '    token = os.environ["BOT_TOKEN"]'])?.text).toBe(
      'the environment variable BOT_TOKEN is missing: set it when you start the bot',
    );
    expect(
      explain("KeyError: 'BOT_TOKEN'", [...traceback, '  File "<frozen os>", line 679, in __getitem__']),
    ).toMatchObject({ id: 'missing_variable' });
    expect(
      explain('decouple.UndefinedValueError: API_KEY not found. Declare it as envvar or define a default value.'),
    ).toMatchObject({ id: 'missing_variable' });
    expect(explain("KeyError: 'BOT_TOKEN'", [...traceback, '    price = prices["BOT_TOKEN"]'])).toBeUndefined();
  });

  it('an error of syntax with its place', () => {
    const before = ['  File "/app/handlers/start.py", line 12', '    if x', '        ^'];
    expect(explain("SyntaxError: expected ':'", before)?.text).toContain(
      'a syntax error in handlers/start.py, line 12',
    );
    expect(explain('IndentationError: unexpected indent', before)?.text).toContain('wrong indentation');
    expect(explain('SyntaxError: Unexpected end of input', ['file:///app/bot.mjs:3', '', ''])?.text).toContain(
      'bot.mjs, line 3',
    );
    expect(explain('SyntaxError: Unexpected token < in JSON at position 0')).toBeUndefined();
  });

  it.each([
    'ERROR:aiogram.dispatcher:Failed to fetch updates - TelegramNetworkError: HTTP Client says - ClientConnectorError: Cannot connect to host api.telegram.org:443 ssl:default [None]',
    'telegram.error.NetworkError: httpx.ConnectError: [Errno -2] Name or service not known',
    'telegram.error.TimedOut: Timed out',
    'FetchError: request to https://api.telegram.org/bot[masked]/getMe failed, reason: getaddrinfo ENOTFOUND api.telegram.org',
  ])('a network without a way to Telegram: %s', (line) => {
    expect(explain(line)).toMatchObject({ id: 'network' });
  });

  it('what it may not write, with the hint, but only in the first lines', () => {
    expect(explain("PermissionError: [Errno 13] Permission denied: '/root/bot.db'")?.text).toMatch(
      /cannot write to \/root\/bot\.db, .*\/data.*USER/,
    );
    expect(explain("Error: EACCES: permission denied, open '/root/x'")).toMatchObject({ id: 'not_allowed' });
    expect(explain("OSError: [Errno 30] Read-only file system: '/etc/x'")?.text).toContain('/etc/x is read-only');
    expect(explain("PermissionError: [Errno 13] Permission denied: '/root/bot.db'", [], 51)).toBeUndefined();
  });

  it.each([
    'INFO:aiogram.event:Update id=1 is handled. Duration 3 ms by bot id=42',
    'user wrote: my token was unauthorized, error 409',
    'WARNING: 1 conflict found',
    'ValueError: invalid literal for int()',
    'KeyError: 42',
    '',
  ])('nothing in an ordinary line: %s', (line) => {
    expect(explain(line)).toBeUndefined();
  });

  it('nothing is taken over from a line but plain names, and a long line costs no time', () => {
    expect(explain("ModuleNotFoundError: No module named '\u001b[31m; rm -rf /'")).toBeUndefined();
    expect(explain("KeyError: '$(reboot)'", ['os.environ'])).toBeUndefined();
    const started = performance.now();
    for (let n = 0; n < 100; n += 1) explain(`api.telegram.org ${'ENOTFOUND Error '.repeat(50_000)}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('the end of a failure, as aiogram reports it', () => {
    expect(saysRecovered('INFO:aiogram.dispatcher:Connection established (tryings = 3, bot id = 42)')).toBe(true);
    expect(saysRecovered('Connection established')).toBe(false);
  });
});
