import { expect, it } from 'vitest';
import { readPackageJson } from './package-json.ts';

it.each<[string, readonly string[]]>([
  ['{}', []],
  ['\uFEFF{"dependencies":{}}', []],
  [
    '{"dependencies":{"grammy":"^1.30","@a/b":" >=1 <2 ","c":""},"devDependencies":{"d":"1"}}',
    ['grammy@^1.30', '@a/b@>=1 <2', 'c'],
  ],
])('%s asks for %j', (content, value) => {
  expect(readPackageJson(content, 'package.json')).toMatchObject({ ok: true, value: { requirements: value } });
});

it.each<[string, string]>([
  ['{"canary', 'package.json is not JSON.'],
  ['[]', 'package.json is not a JSON object.'],
  ['{"dependencies":["canary"]}', '"dependencies" of package.json is not an object.'],
  ['{"dependencies":{"a":1}}', 'The version of a dependency in package.json is not text.'],
])('%s is refused', (content, message) => {
  expect(readPackageJson(content, 'package.json')).toMatchObject({
    ok: false,
    problem: { code: 'INVALID_REQUIREMENTS', message },
  });
});

it.each<[string, boolean, boolean]>([
  ['{"dependencies":{"a":"1"}}', true, false],
  ['{"dependencies":{"a":"github:b/c"}}', false, false],
  ['{"dependencies":{"a":"npm:b@1"}}', false, false],
  ['{"dependencies":{"a":"file:../a"}}', false, true],
  ['{"dependencies":{"a":"./a"}}', false, true],
  ['{"optionalDependencies":{"a":"link:a"}}', false, true],
  ['{"workspaces":["a"]}', false, true],
  ['{"dependencies":{"a":"1"},"overrides":{"b":"2"}}', false, false],
])('%s is a plain list: %j; needs the code: %j', (content, isPlain, needsSource) => {
  expect(readPackageJson(content, 'package.json')).toMatchObject({ ok: true, value: { isPlain, needsSource } });
});
