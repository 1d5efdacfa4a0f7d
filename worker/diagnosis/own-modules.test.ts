import { describe, expect, it } from 'vitest';
import { createOwnModules } from './own-modules.ts';

const namesOf = (...paths: string[]) => {
  const modules = createOwnModules();
  for (const path of paths) modules.add(path);
  return modules.names();
};

describe("the names of a bot's own modules", () => {
  it('are those of files and folders at the top', () => {
    expect(namesOf('bot.py', 'src/handlers/start.py', 'menu.mjs', 'README.md', 'Dockerfile')).toEqual([
      'bot',
      'src',
      'menu',
    ]);
  });

  it('are those of the folder in which all lies, too', () => {
    expect(namesOf('team_bot/main.py', 'team_bot/src/a.py')).toEqual(['team_bot', 'main', 'src']);
    expect(namesOf('bot-main/main.py', 'bot-main/src/a.py')).toEqual(['main', 'src']);
  });

  it('hold nothing but plain names, and are not without number', () => {
    expect(namesOf('rm -rf.py', '$(x)/a.py', `${'a'.repeat(200)}.py`, '.py', 'bot.py')).toEqual(['bot']);
    expect(namesOf(...Array.from({ length: 1000 }, (_, at) => `m${at}.py`)).length).toBe(200);
  });
});
