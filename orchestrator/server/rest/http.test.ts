import { expect, it } from 'vitest';
import { type Request, type Response, sendAnswer, takesGzip } from './http.ts';

it.each([
  [undefined, false],
  ['', false],
  ['gzip', true],
  ['br, GZIP;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000', false],
  ['gzip;q=0.001', true],
  ['identity, *;q=0', false],
  ['gzipped', false],
])('Accept-Encoding: %s', (header, expected) => {
  expect(takesGzip(header)).toBe(expected);
});

it('an answer that cannot be written fails its own request, also when it was compressed first', async () => {
  const request = { headers: { 'accept-encoding': 'gzip' } } as unknown as Request;
  const response = {
    destroyed: false,
    writeHead: () => {
      throw new Error('the stream has gone');
    },
  } as unknown as Response;
  const answer = { status: 200, body: { text: 'x'.repeat(100_000) } };
  await expect(sendAnswer(request, response, answer)).rejects.toThrow('the stream has gone');
});
