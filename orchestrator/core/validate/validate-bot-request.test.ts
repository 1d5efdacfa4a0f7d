import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validateBotRequest } from './validate-bot-request.ts';

const start = { action: 'start', bot_id: 'my-bot', deployment_mode: 'simple', code: 'print(1)' };

function codeOf(data: unknown): string {
  const result = validateBotRequest(data);
  if (result.ok) return 'ok';
  // Every refusal says what to do and shows something that works.
  expect(result.problem.hint).not.toBe('');
  expect(result.problem.example).not.toBeNull();
  return result.problem.code;
}

describe('the validator of bot_runner', () => {
  it.each<[string, unknown, string]>([
    ['a start with code', start, 'ok'],
    ['no action', { bot_id: 'test' }, 'MISSING_REQUIRED_FIELD'],
    ['an empty action', { ...start, action: '' }, 'MISSING_REQUIRED_FIELD'],
    ['an unknown action', { ...start, action: 'remove' }, 'INVALID_ACTION'],
    ['an action in capitals', { ...start, action: 'Start' }, 'INVALID_ACTION'],
    ['an action of the wrong type', { ...start, action: [] }, 'INVALID_ACTION'],
    ['no bot id', { action: 'start' }, 'MISSING_REQUIRED_FIELD'],
    ['an empty bot id', { ...start, bot_id: '' }, 'MISSING_REQUIRED_FIELD'],
    ['a bot id that is no text', { ...start, bot_id: 123 }, 'INVALID_BOT_ID'],
    ['a bot id in Cyrillic', { ...start, bot_id: 'тест бот!' }, 'INVALID_BOT_ID'],
    ['a bot id that is too long', { ...start, bot_id: 'a'.repeat(65) }, 'INVALID_BOT_ID'],
    ['a bot id with a line break', { ...start, bot_id: 'a\n' }, 'INVALID_BOT_ID'],
    ['the bad bot id before the missing mode', { action: 'start', bot_id: 'a b' }, 'INVALID_BOT_ID'],
    ['no mode', { action: 'start', bot_id: 'test' }, 'MISSING_REQUIRED_FIELD'],
    ['an unknown mode', { ...start, deployment_mode: 'invalid' }, 'INVALID_DEPLOYMENT_MODE'],
    ['no code', { action: 'start', bot_id: 'a', deployment_mode: 'simple' }, 'MISSING_CODE'],
    ['code and files', { ...start, files: { 'a.py': '' } }, 'CONFLICTING_FIELDS'],
    ['code that is no text', { ...start, code: 5 }, 'INVALID_FILE_CONTENT'],
    ['files that are a list', { ...start, code: null, files: [] }, 'INVALID_FILES_FORMAT'],
    ['no file in files', { ...start, code: null, files: {} }, 'EMPTY_FILES'],
    ['a file that is no text', { ...start, code: null, files: { 'bot.py': 1 } }, 'INVALID_FILE_CONTENT'],
    ['a file above the folder', { ...start, code: null, files: { '../bot.py': '' } }, 'INVALID_FILE_PATH'],
    ['a file named __proto__', { ...start, code: null, files: JSON.parse('{"bot.py":"","__proto__":""}') }, 'ok'],
    ['a file and a folder of one name', { ...start, code: null, files: { a: '', 'a/b.py': '' } }, 'INVALID_FILE_PATH'],
    ['an entrypoint above the folder', { ...start, entrypoint: '../bot.py' }, 'INVALID_ENTRYPOINT'],
    ['an entrypoint with a line break', { ...start, entrypoint: 'bot.py\nRUN x' }, 'INVALID_ENTRYPOINT'],
    ['an entrypoint that is an option', { ...start, entrypoint: '-c' }, 'INVALID_ENTRYPOINT'],
    [
      'an entrypoint that is not there',
      { ...start, code: null, files: { 'bot.py': '' }, entrypoint: 'x.py' },
      'INVALID_ENTRYPOINT',
    ],
    ['requirements that are text', { ...start, requirements: 'aiogram' }, 'INVALID_REQUIREMENTS'],
    ['env that is a list', { ...start, env_vars: [] }, 'INVALID_ENV_VARS'],
    ['env with a number', { ...start, env_vars: { A: 1 } }, 'INVALID_ENV_VARS'],
    ['limits with an unknown key', { ...start, resource_limits: { privileged: true } }, 'INVALID_RESOURCE_LIMITS'],
    ['limits of nothing', { ...start, resource_limits: { memory_mb: 0 } }, 'INVALID_RESOURCE_LIMITS'],
    ['a disk of nothing', { ...start, resource_limits: { disk_mb: 0 } }, 'INVALID_RESOURCE_LIMITS'],
    ['more disk than is allowed', { ...start, resource_limits: { disk_mb: 10_241 } }, 'INVALID_RESOURCE_LIMITS'],
    ['limits as text', { ...start, resource_limits: { memory_mb: '256m' } }, 'INVALID_RESOURCE_LIMITS'],
    [
      'limits that are infinite',
      { ...start, resource_limits: { cpu_cores: Number.POSITIVE_INFINITY } },
      'INVALID_RESOURCE_LIMITS',
    ],
    ['list without bot id', { action: 'list' }, 'ok'],
    ['zero lines', { action: 'logs', bot_id: 'a', lines: 0 }, 'INVALID_LINES'],
    ['a billion lines', { action: 'logs', bot_id: 'a', lines: 1e9 }, 'INVALID_LINES'],
    ['lines as text', { action: 'logs', bot_id: 'a', lines: '50' }, 'INVALID_LINES'],
    ['lines as words', { action: 'logs', bot_id: 'a', lines: 'abc' }, 'INVALID_LINES'],
    ['data that is a list', [], 'MALFORMED_REQUEST'],
    ['data that is null', null, 'MALFORMED_REQUEST'],
    ['an action inherited from a prototype', Object.create({ action: 'list' }), 'MISSING_REQUIRED_FIELD'],
  ])('%s -> %#', (_name, data, code) => {
    expect(codeOf(data)).toBe(code);
  });

  it('says what was probably meant', () => {
    const hint = (data: unknown) => {
      const result = validateBotRequest(data);
      return result.ok ? '' : result.problem.hint;
    };
    expect(hint({ ...start, action: 'strat' })).toMatch(/^Did you mean "start"\?/);
    expect(hint({ ...start, deployment_mode: 'simpel' })).toMatch(/^Did you mean "simple"\?/);
    expect(hint({ ...start, deployment_mode: 'costom' })).toMatch(/^Did you mean "custom"\?/);
    expect(hint({ ...start, deployment_mode: 'img' })).toMatch(/^Did you mean "image"\?/);
  });

  it('takes the only file, or the usual name, as the entrypoint', () => {
    const entrypoint = (files: object) => {
      const result = validateBotRequest({ ...start, code: undefined, files });
      if (!result.ok || result.value.action !== 'start') return result;
      const { source } = result.value.deployment;
      return source.kind === 'inline' ? source.entrypoint : source.kind;
    };
    expect(entrypoint({ 'telegram.py': '' })).toBe('telegram.py');
    expect(entrypoint({ 'a.py': '', 'main.py': '', 'bot.py': '' })).toBe('bot.py');
    expect(entrypoint({ 'a.py': '', 'b.py': '' })).toMatchObject({
      ok: false,
      problem: { code: 'INVALID_ENTRYPOINT' },
    });
  });

  it('answers anything with a request or a problem, and never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const result = validateBotRequest(value);
        return typeof result.ok === 'boolean';
      }),
    );
    const fields = [
      'action',
      'bot_id',
      'deployment_mode',
      'code',
      'files',
      'requirements',
      'env_vars',
      'entrypoint',
      'lines',
    ];
    const anyField = fc.dictionary(
      fc.constantFrom(...fields),
      fc.oneof(fc.jsonValue(), fc.constantFrom('start', 'simple', 'a')),
    );
    fc.assert(fc.property(anyField, (value) => typeof validateBotRequest({ ...start, ...value }).ok === 'boolean'));
  });
});
