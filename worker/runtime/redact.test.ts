import { describe, expect, test } from 'vitest';
import { redact } from './redact.ts';

describe('a text with secrets in it', () => {
  test.each([
    ['invalid environment variable: TOKEN=canary-1', ['canary-1'], 'invalid environment variable: TOKEN=[redacted]'],
    ['a canary-12 b canary-1', ['canary-1', 'canary-12'], 'a [redacted] b [redacted]'],
    ['value "two\\nlines"', ['two\nlines'], 'value "[redacted]"'],
    ['cut: begin', ['begin\0rest'], 'cut: [redacted]'],
    ['DEBUG=1', ['1'], 'DEBUG=1'],
    ['$& and $1 stay', ['stay'], '$& and $1 [redacted]'],
  ])('%j loses them', (text, secrets, expected) => {
    expect(redact(text, secrets)).toBe(expected);
  });
});
