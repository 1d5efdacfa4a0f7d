import { once } from 'node:events';
import http from 'node:http';
import http2, { type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { isGone } from './is-gone.ts';
import { sendResponse } from './rpc/send-response.ts';

it('a response of HTTP/1.1 is gone once its connection is', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const request = http.get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  request.on('error', () => {}); // it is broken off below
  const [, response] = (await once(server, 'request')) as [unknown, http.ServerResponse];
  expect(isGone(response)).toBe(false);
  const closed = once(response, 'close');
  request.destroy();
  await closed;
  expect(isGone(response)).toBe(true);
  server.close();
});

it('a response of HTTP/2 is gone once its stream is reset, and nothing waits for its reader', async () => {
  const server = http2.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = session.request({ ':path': '/' });
  const [, response] = (await once(server, 'request')) as [unknown, Http2ServerResponse];
  expect(isGone(response)).toBe(false);
  const closed = once(response, 'close');
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await closed;
  expect(isGone(response)).toBe(true);
  let asked = 0;
  async function* endless() {
    for (; ; asked += 1) yield new Uint8Array(1024 * 1024);
  }
  await sendResponse({ status: 200, header: new Headers(), body: endless() }, response);
  expect(asked).toBe(0);
  session.close();
  server.close();
});
