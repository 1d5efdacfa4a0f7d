import { describe, expect, it } from 'vitest';
import { parseRequirements } from './requirements.ts';

const verdict = (item: unknown, language: 'python' | 'node') => {
  const result = parseRequirements([item], language);
  return result.ok ? result.value : result.problem.code;
};

describe('requirements of a Python bot', () => {
  it.each([
    'aiogram',
    'aiogram>=3.0',
    'aiogram>=3.0,<4',
    'aiogram >= 3.0, < 4',
    'aiogram[fast,i18n]~=3.4',
    'python-telegram-bot==21.*',
    "uvloop>=0.19; sys_platform != 'win32'",
    'ruamel.yaml (>=0.17)',
    'torch==2.1.0+cpu',
    'a; platform_machine in "x86_64, AMD64"',
    "a>=1,<2 ; python_version in '3.8,3.9' and (sys_platform == \"linux\" or extra=='x y')",
    'a\t>=\t1',
  ])('takes %s', (item) => {
    expect(verdict(item, 'python')).toEqual([item]);
  });

  it.each([
    'a\n--index-url http://evil',
    '--extra-index-url http://evil',
    '-r /etc/passwd',
    '-e .',
    'pkg @ file:///etc',
    'git+https://example.com/x.git',
    'aiogram>=',
    'aiogram>=3.0 <4',
    './local',
    'a b',
    'x;y\\z',
    'a; platform_machine in "x86_64',
    'a; x, y',
    '$(id)',
    'a'.repeat(300),
    5,
    null,
  ])('refuses %j', (item) => {
    expect(verdict(item, 'python')).toBe('INVALID_REQUIREMENTS');
  });

  it('refuses more than 200 of them', () => {
    const many = Array.from({ length: 201 }, (_, index) => `p${index}`);
    expect(parseRequirements(many, 'python')).toMatchObject({ ok: false, problem: { code: 'INVALID_REQUIREMENTS' } });
  });
});

describe('requirements of a Node bot', () => {
  it.each(['grammy', 'grammy@^1.30', '@grammyjs/runner@2', 'telegraf@>=4 <5', 'left-pad@latest'])(
    'takes %s',
    (item) => {
      expect(verdict(item, 'node')).toEqual([item]);
    },
  );
  it.each(['git+https://x/y', 'grammy@npm:evil', 'grammy@file:..', '../x', '-g', 'user/repo'])('refuses %s', (item) => {
    expect(verdict(item, 'node')).toBe('INVALID_REQUIREMENTS');
  });
});
