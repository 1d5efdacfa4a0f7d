/**
 * Plays idle workers in a process of its own, each on a connection of its own, as our worker is to the wire: keepalive, heartbeats at the
 * pace it is asked for, the same pauses between tries. It decodes no more than it needs, so that 1,000 of them cost little.
 */
import { createHash } from 'node:crypto';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { capabilities } from '#common/capabilities.ts';
import { JoinRequestSchema, SessionRequestSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { dialDelayMs } from '../../worker/session/backoff.ts';

/** What the bench asks for, in order of time. */
export type Order =
  /** All dial `url` from now on. */
  | { readonly kind: 'play'; readonly url: string; readonly players: number }
  /** None dials again once its session has ended; and again after `go`. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'go' };

/** A player has a session; `dials`: tries since the last one. Times are of the machine's clock, ms. */
export interface Welcomed {
  readonly player: number;
  readonly at: number;
  readonly dials: number;
}

const keepaliveMs = 5_000;
const heartbeatMs = 2_000;
const workerToken = process.env['WORKER_TOKEN'] ?? '';
let order: Order | undefined;
let held = false;
let released = Promise.withResolvers<void>();

const frame = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};
const heartbeat = frame(
  toBinary(SessionRequestSchema, create(SessionRequestSchema, { body: { case: 'heartbeat', value: { ready: true } } })),
);
const hello = (workerId: string) =>
  create(SessionRequestSchema, {
    body: {
      case: 'hello',
      value: {
        workerId,
        bootId: `boot-${workerId}`,
        protocolMin: 1,
        protocolMax: 1,
        runtime: 'docker',
        engineVersion: 'docker 28.5.2',
        version: '1.0.0',
        ready: true,
        // As our worker on Docker. CAPABILITIES= makes them workers of the previous release.
        capabilities: process.env['CAPABILITIES']?.split(',') ?? Object.values(capabilities),
        capacity: { memoryBytes: BigInt(8 * 1024 ** 3), cpuMillis: 4000 },
      },
    },
  });

function call(session: ClientHttp2Session, method: string, token: string): ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': `/botrunner.v1.WorkerService/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
  });
}

/** One try: joins if told to, then has a session until that ends. Returns whether it was welcomed, and whether it has to join. */
function dial(url: string, player: number, joins: boolean, onWelcome: () => void) {
  const { promise, resolve } = Promise.withResolvers<{ readonly welcomed: boolean; readonly unknown: boolean }>();
  const workerId = `w${player}`;
  const credential = createHash('sha256').update(`bench ${workerId}`).digest('base64url');
  const session = connect(url);
  let [welcomed, unknown] = [false, false];
  const timers: NodeJS.Timeout[] = [];
  session.on('error', () => undefined);
  session.on('close', () => {
    for (const timer of timers) clearInterval(timer);
    resolve({ welcomed, unknown });
  });
  const begin = () => {
    const stream = call(session, 'Session', credential);
    stream.on('error', () => undefined);
    stream.on('close', () => session.destroy());
    const refused = (headers: { readonly 'grpc-status'?: string }) => {
      unknown ||= headers['grpc-status'] === '16';
    };
    stream.on('response', refused);
    stream.on('trailers', refused);
    stream.on('data', () => {
      if (welcomed) return;
      welcomed = true;
      onWelcome();
      timers.push(setInterval(() => stream.write(heartbeat), heartbeatMs));
      stream.write(heartbeat);
    });
    stream.write(frame(toBinary(SessionRequestSchema, hello(workerId))));
    timers.push(setInterval(() => session.ping(() => undefined), keepaliveMs));
  };
  if (!joins) begin();
  else {
    const join = call(session, 'Join', workerToken);
    join.on('error', () => undefined);
    join.resume();
    join.on('close', () => (session.destroyed ? undefined : begin()));
    const credentialSha256 = createHash('sha256').update(credential).digest('hex');
    join.end(frame(toBinary(JoinRequestSchema, create(JoinRequestSchema, { workerId, credentialSha256 }))));
  }
  return promise;
}

async function play(url: string, player: number): Promise<void> {
  // So that they do not all dial in one turn of this process.
  await sleep(Math.random() * 1_000);
  let joins = true;
  let dials = 0;
  for (let failures = 0; ; ) {
    if (held) {
      await released.promise;
      [failures, dials] = [0, 0];
    }
    dials += 1;
    const tries = dials;
    const end = await dial(url, player, joins, () => process.send?.({ player, at: Date.now(), dials: tries }));
    joins = end.unknown;
    if (end.welcomed) [failures, dials] = [0, 0];
    await sleep(dialDelayMs(failures, Math.random()));
    if (!end.welcomed) failures += 1;
  }
}

process.on('message', (next: Order) => {
  if (next.kind === 'hold') {
    held = true;
    released = Promise.withResolvers();
  } else if (next.kind === 'go') {
    held = false;
    released.resolve();
  } else {
    order = next;
    for (let player = 0; player < order.players; player += 1) void play(order.url, player);
  }
});
process.on('disconnect', () => process.exit());
