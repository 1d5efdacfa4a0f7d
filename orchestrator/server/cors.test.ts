import { expect, it } from 'vitest';
import { parseCorsOrigins } from './cors.ts';

it.each([
  ['', []],
  ['*', '*'],
  ['https://app.example', ['https://app.example']],
  ['https://App.example/, http://localhost:5173', ['https://app.example', 'http://localhost:5173']],
  ['http://[::1]:3000', ['http://[::1]:3000']],
  ['app.example', undefined],
  ['https://app.example/path', undefined],
  ['https://*.example', undefined],
  ['https://u@app.example', undefined],
  ['ftp://app.example', undefined],
  ['*,https://app.example', undefined],
  ['null', undefined],
])('CORS_ORIGINS=%j', (text, expected) => {
  expect(parseCorsOrigins(text)).toEqual(expected);
});
