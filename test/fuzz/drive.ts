/** Sends made-up requests to a port and checks what comes back: any kind of answer, but no failure of ours. */
import net from 'node:net';
import tls from 'node:tls';
import { makeRequest, type Request } from './requests.ts';

export interface Ports {
  readonly cleartext: number;
  /** The port of a second program with TLS; without it requests over TLS are left out. */
  readonly tls: number | undefined;
}

export interface FuzzRun {
  readonly seed: number;
  /** The number of the first request. */
  readonly from: number;
  readonly requests: number;
  readonly ports: Ports;
  /** Called after each batch; throws when something has gone wrong. */
  readonly check: (done: number) => Promise<void>;
}

const atOnce = 128;
const batch = 2_000;
// An answer arrives within a few milliseconds; what is held open is released.
const patienceMs = 60;
// HTTP/2 begins with the server's settings; the answer comes right behind.
const http2MoreMs = 10;
const connectMs = 10_000;

/** Throws at the first failure, with the numbers that make it again. */
export async function fuzz({ seed, from, requests, ports, check }: FuzzRun): Promise<void> {
  for (let begin = from; begin < from + requests; begin += batch) {
    const end = Math.min(from + requests, begin + batch);
    let next = begin;
    const lane = async () => {
      while (next < end) {
        const index = next;
        next += 1;
        const answer = await send(makeRequest(seed, index), ports, index);
        if (/^HTTP\/1\.1 500/.test(answer))
          throw new Error(again(seed, index, index + 1, `it was answered with ${answer.slice(0, 400)}`));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    try {
      await check(end - from);
    } catch (error) {
      throw new Error(again(seed, begin, end, error instanceof Error ? error.message : String(error)), {
        cause: error,
      });
    }
  }
}

const again = (seed: number, from: number, end: number, what: string): string =>
  `${what}\nMake it again with: npm run fuzz -- --seed ${seed} --from ${from} --requests ${end - from}`;

/** The first bytes of the answer, as text; empty when there were none. */
function send({ tls: secure, alpn, bytes, ending }: Request, ports: Ports, index: number): Promise<string> {
  if (secure && ports.tls === undefined) return Promise.resolve('');
  // Each address of loopback has its own ports: those of connections just closed are not free for a while.
  const localAddress = process.platform === 'linux' ? `127.0.0.${1 + (index % 200)}` : '127.0.0.1';
  const to = { host: '127.0.0.1', localAddress };
  return new Promise((resolve, reject) => {
    let answer = '';
    const end = () => {
      clearTimeout(timer);
      if (socket instanceof tls.TLSSocket) socket.destroy();
      else socket.resetAndDestroy();
      resolve(answer);
    };
    const onConnect = () => {
      timer.refresh();
      socket.write(bytes);
      if (ending === 'half-close') socket.end();
      if (ending === 'reset') setImmediate(end);
      else setTimeout(end, patienceMs).unref();
    };
    const socket: net.Socket = secure
      ? tls.connect({ ...to, port: ports.tls ?? 0, rejectUnauthorized: false, ALPNProtocols: [alpn] }, onConnect)
      : net.connect({ ...to, port: ports.cleartext }, onConnect);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`request ${index}: no connection within ${connectMs} ms`));
    }, connectMs);
    socket.on('data', (data) => {
      if (answer === '') answer = data.toString('latin1', 0, 400);
      if (alpn === 'h2') setTimeout(end, http2MoreMs);
      else end();
    });
    socket.on('close', end);
    // The other side may well end it at once; a refused connection shows in the check.
    socket.on('error', end);
  });
}
