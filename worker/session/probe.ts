/**
 * Finds out why an orchestrator cannot be dialled: gRPC reports that there is no connection, but seldom why. A connection of its
 * own goes as far as it gets: name, TCP, TLS with the certificate, HTTP/2. Nothing that belongs to the worker is sent on it.
 */

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import { type ConnectionFailure, connectionFailureOf } from '#common/connection-failure.ts';
import { orAbort } from '#common/waiting/abort.ts';
import type { Endpoint } from './endpoint.ts';

export interface Probed {
  readonly failure: ConnectionFailure;
  /** As in describeConnectionFailure. */
  readonly detail?: string;
}

const defaultLimitMs = 5000;
// https://www.rfc-editor.org/rfc/rfc9113#section-3.4: the preface and an empty SETTINGS frame.
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

export interface ProbeOptions {
  readonly limitMs?: number;
  /** The certificate authorities to trust, in PEM; null for the usual ones. */
  readonly roots?: () => Buffer | null;
}

/** Undefined when nothing is wrong as far as it can see. Resolves within the limit, never rejects. */
export async function probe(
  endpoint: Endpoint,
  signal: AbortSignal,
  { limitMs = defaultLimitMs, roots = () => null }: ProbeOptions = {},
): Promise<Probed | undefined> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    return endpoint.tls ? await probeTls(endpoint, ended, roots()) : await probeCleartext(endpoint, ended);
  } catch (error) {
    if (signal.aborted) return undefined;
    if (ended.aborted) return { failure: 'silent' };
    const failure = connectionFailureOf(error);
    return failure && { failure, ...detailOf(failure, error) };
  }
}

/** Host and port as sockets want them: an address of IPv6 without its brackets. */
function placeOf({ url }: Endpoint): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'https:' ? 443 : 80)) };
}

async function probeTls(endpoint: Endpoint, signal: AbortSignal, ca: Buffer | null): Promise<Probed | undefined> {
  const { host, port } = placeOf(endpoint);
  const socket = connectTls({
    host,
    port,
    ALPNProtocols: ['h2'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca }),
  });
  await settled(socket, 'secureConnect', signal);
  return socket.alpnProtocol === 'h2' ? undefined : { failure: 'no-http2' };
}

async function probeCleartext(endpoint: Endpoint, signal: AbortSignal): Promise<Probed | undefined> {
  const { host, port } = placeOf(endpoint);
  const said = await firstBytes(connectTcp({ host, port }), signal);
  // A frame of HTTP/2 has its type in the fourth byte: 4 is SETTINGS.
  if (said !== undefined && said.length > 3 && said[3] === 4 && said[0] === 0) return undefined;
  const text = said?.toString('latin1') ?? '';
  const isAlert = said !== undefined && said[0] === 0x15 && said[1] === 3;
  if (isAlert || /plain HTTP request was sent to HTTPS port/i.test(text)) return { failure: 'needs-tls' };
  if (text.startsWith('HTTP/1.')) return { failure: 'no-http2' };
  // Most servers with TLS hang up on those without.
  const speaksTls = await settled(connectTls({ host, port, rejectUnauthorized: false }), 'secureConnect', signal).then(
    () => true,
    () => false,
  );
  if (speaksTls) return { failure: 'needs-tls' };
  return said === undefined ? { failure: 'closed' } : { failure: 'not-an-orchestrator' };
}

/** Resolves with the event; rejects with the socket's error, or when it ends before. The socket is closed afterwards. */
function settled(socket: Socket, event: 'secureConnect', signal: AbortSignal): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });
  return orAbort(signal, done).finally(() => socket.destroy());
}

/** What the other side says to a preface of HTTP/2; undefined when it hangs up. */
function firstBytes(socket: Socket, signal: AbortSignal): Promise<Buffer | undefined> {
  const said = new Promise<Buffer | undefined>((resolve, reject) => {
    let connected = false;
    socket.once('connect', () => {
      connected = true;
      socket.write(preface);
    });
    socket.once('data', resolve);
    socket.once('error', (error) => (connected ? resolve(undefined) : reject(error)));
    socket.once('close', () => resolve(undefined));
  });
  return orAbort(signal, said).finally(() => socket.destroy());
}

function detailOf(failure: ConnectionFailure, error: unknown): { readonly detail?: string } {
  if (failure !== 'other-name' || !(error instanceof Error) || !('cert' in error)) return {};
  // For ERR_TLS_CERT_ALTNAME_INVALID: https://nodejs.org/api/tls.html#tlscheckserveridentityhostname-cert
  const { subjectaltname = '' } = error.cert as Partial<PeerCertificate>;
  const names = subjectaltname.replace(/(?:DNS|IP Address):/g, '').slice(0, 200);
  return names === '' ? {} : { detail: names };
}
