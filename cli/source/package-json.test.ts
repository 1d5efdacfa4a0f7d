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
  expect(readPackageJson(content, 'package.json')).toEqual({ ok: true, value });
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
