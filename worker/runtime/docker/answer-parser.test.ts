import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAnswerParser } from './answer-parser.ts';

const head = 'HTTP/1.1 200 OK\r\nServer: Docker\r\nTransfer-Encoding: chunked\r\n\r\n';
const chunk = (data: string, extension = '') =>
  `${Buffer.byteLength(data, 'latin1').toString(16)}${extension}\r\n${data}\r\n`;

/** The body of an answer that comes in pieces of these sizes, again and again. */
function bodyOf(answer: string, sizes: readonly number[] = [answer.length]) {
  const parser = createAnswerParser();
  let body = '';
  for (let at = 0, n = 0; at < answer.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1;
    body += parser.push(Buffer.from(answer.slice(at, at + size), 'latin1')).toString('latin1');
    at += size;
  }
  return { body, status: parser.status, isWhole: parser.isWhole, parser };
}

describe('an answer', () => {
  it('is the same however its bytes come', () => {
    const line = fc.string({ unit: fc.constantFrom('\r', '\n', '0', 'a', '\0', '\xff'), minLength: 1, maxLength: 40 });
    const extension = fc.constantFrom('', ';', ';name="value"', ' ;a');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, extension)),
        fc.constantFrom('', 'X-Sum: 1\r\n', 'A: b\r\nC: d\r\n'),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
        (lines, trailer, sizes) => {
          const chunks = lines.map(([data, name]) => chunk(data, name)).join('');
          const found = bodyOf(`${head}${chunks}0\r\n${trailer}\r\n`, sizes);
          expect(found).toMatchObject({ body: lines.map(([data]) => data).join(''), status: 200, isWhole: true });
        },
      ),
    );
  });

  it('of a known length, or without one, has no chunks', () => {
    const known = bodyOf('HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\n5\r\nx');
    expect(known).toMatchObject({ body: '5\r\nx', status: 404, isWhole: true });
    const unknown = bodyOf('HTTP/1.0 200 OK\r\n\r\n5\r\nx', [3]);
    expect(unknown).toMatchObject({ body: '5\r\nx', isWhole: false });
    unknown.parser.end();
    expect(unknown.parser.isWhole).toBe(true);
    expect(bodyOf('HTTP/1.1 204 No Content\r\n\r\n')).toMatchObject({ body: '', isWhole: true });
    expect(bodyOf('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')).toMatchObject({ body: '', isWhole: true });
  });

  it('may be announced by another head', () => {
    expect(bodyOf(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${head}${chunk('a')}0\r\n\r\n`, [7])).toMatchObject({
      body: 'a',
      status: 200,
    });
  });

  it('that is cut anywhere is not taken for a whole one', () => {
    const whole = `${head}${chunk('a line')}${chunk('another')}0\r\n\r\n`;
    for (let length = 0; length < whole.length; length += 1) {
      const { isWhole, parser } = bodyOf(whole.slice(0, length) || '');
      expect(isWhole).toBe(false);
      expect(() => parser.end()).toThrow('cut off');
    }
  });

  it.each([
    ['SSH-2.0-OpenSSH\r\n\r\n', 'not HTTP'],
    ['HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n', 'no number'],
    [`${head}x\r\n`, 'no size'],
    [`${head}\r\n`, 'no size'],
    [`${head}ffffffffffff\r\n`, 'no size'],
    [`${head}2\r\nabc\r\n`, 'another length'],
    [`${head}2\rab\r\n`, 'another length'],
    [`${head}2;${'x'.repeat(5000)}`, 'too long'],
    [`${head}0\r\n${'x'.repeat(5000)}`, 'too long'],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`, 'too long'],
  ])('that is none is refused, case %#', (answer, why) => {
    expect(() => bodyOf(answer, [1000])).toThrow(why);
  });
});
