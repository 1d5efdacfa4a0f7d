import { describe, expect, test } from 'vitest';
import { buildFailure, createOutputTail } from './build-failure.ts';

describe('a failed build', () => {
  test.each([
    [
      'ERROR: No matching distribution found for aiogram>=99',
      'pip found no package that matches the requirement aiogram>=99.',
    ],
    ['npm error code E404', 'npm found no package with a name or version from the requirements.'],
    [
      "WARNING: Retrying after connection broken by 'NewConnectionError(...)'",
      'The package index could not be reached from the build.',
    ],
    ['OSError: [Errno 28] No space left on device', 'The disk of the worker is full.'],
    ['something else', 'The step failed.'],
  ])('that printed %j says so in one sentence', (line, message) => {
    const failure = buildFailure(['first', line, 'last'], 'The step failed.');
    expect(failure).toMatchObject({ code: 'BUILD_FAILED', message, details: { output_tail: `first\n${line}\nlast` } });
  });

  test('is not explained by what an earlier step got over', () => {
    const retry = "WARNING: Retrying after connection broken by 'NewConnectionError(...)'";
    for (const done of ['Step 3/3 : RUN ./check', 'Successfully installed aiogram-3.5.0']) {
      expect(buildFailure([retry, done, 'check failed'], 'The step failed.').message).toBe('The step failed.');
    }
  });

  test('keeps only the end of a long output', () => {
    const tail = createOutputTail();
    for (let index = 0; index < 1000; index += 1) tail.add(`${index} ${'x'.repeat(1000)}`);
    expect(tail.lines().length).toBe(120);
    expect(String(buildFailure(tail.lines(), 'no').details?.['output_tail']).split('\n').length).toBe(30);
    expect(tail.lines().at(-1)).toBe(`999 ${'x'.repeat(396)}`);
  });
});
