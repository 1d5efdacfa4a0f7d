import { expect, it } from 'vitest';
import { hasZone, isLoopbackHost } from './loopback.ts';

it.each([
  ['localhost', true],
  ['LOCALHOST', true],
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::1', true],
  ['[::1]', true],
  ['0:0:0:0:0:0:0:1', true],
  ['0000::0001', true],
  ['::ffff:127.0.0.1', true],
  ['[::ffff:7f00:1]', true],
  ['::ffff:10.0.0.1', false],
  ['::2', false],
  ['[::1', false],
  ['::1%lo', false],
  ['localhost.evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['0.0.0.0', false],
  ['::', false],
  ['', false],
])('%j is loopback: %s', (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
});

it.each([
  ['http://[fe80::1%eth0]:8000', true],
  ['http://[fe80::1%25eth0]', true],
  ['https://u@[::1%lo]/', true],
  ['http://[::1]:8000/%41', false],
  ['http://host/[%]', false],
  ['http://localhost:8000', false],
])('%j has a zone: %s', (url, expected) => {
  expect(hasZone(url)).toBe(expected);
});
