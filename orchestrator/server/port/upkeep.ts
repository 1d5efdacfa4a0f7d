/**
 * Looks at all connections once a second: ends those on which nothing happens, strangers that send more than they may, and peers of HTTP/2 that
 * send nothing but frames about the connection itself.
 */
import { constants, type Http2Session } from 'node:http2';
import { Buckets } from '../rates/buckets.ts';
import type { Connection } from './connections.ts';

const kib = 1024;

export const limits = {
  /** Without a request since it began; Node.js has its own for HTTP/1.1. */
  strangerSilentMs: 10_000,
  /** Between requests over HTTP/2. */
  strangerIdleMs: 60_000,
  knownIdleMs: 600_000,
  /** How long a peer may take to confirm our settings. */
  settingsMs: 10_000,
  /** What strangers of one address may send, and all strangers. */
  strangerBytes: { burst: 32 * kib * kib, perSecond: kib * kib },
  allStrangerBytes: { burst: 256 * kib * kib, perSecond: 16 * kib * kib },
  /** With a handshake of TLS before it. */
  firstRequestBytes: 32 * kib,
  /** PING and SETTINGS frames of a connection in ten seconds, if next to nothing else is sent on it either way. */
  controlFrames: 1_000,
  controlWindowMs: 10_000,
} as const;

// A frame of PING or SETTINGS and its answer; what moves besides is a reason for pings.
const controlFrameBytes = 64;

interface Traffic {
  readonly connection: Connection;
  began: number;
  frames: number;
  bytes: number;
}

/** How connections of HTTP/2 are watched. */
export class PortUpkeep {
  readonly #sessions = new Map<Http2Session, Traffic>();
  readonly #ofAddress = new Buckets(limits.strangerBytes);
  readonly #ofAll = new Buckets(limits.allStrangerBytes);
  readonly #flooded: (connection: Connection) => void;

  /** `flooded` is called for each connection that is ended because of a flood. */
  constructor(flooded: (connection: Connection) => void = () => undefined) {
    this.#flooded = flooded;
  }

  /** From now until it closes. */
  watch(session: Http2Session, connection: Connection, now: number): void {
    const traffic: Traffic = { connection, began: now, frames: 0, bytes: moved(connection) };
    this.#sessions.set(session, traffic);
    session.once('close', () => this.#sessions.delete(session));
    const count = () => {
      traffic.frames += 1;
      if (traffic.frames < limits.controlFrames || session.destroyed) return;
      const bytes = moved(connection);
      if (bytes - traffic.bytes < controlFrameBytes * traffic.frames) {
        this.#flooded(connection);
        return calmDown(session);
      }
      traffic.frames = 0;
      traffic.bytes = bytes;
    };
    session.on('ping', count);
    session.on('remoteSettings', count);
  }

  look(strangers: Iterable<Connection>, now: number): void {
    for (const connection of strangers) {
      const { bytesRead } = connection.socket;
      const more = bytesRead - connection.bytesSeen;
      connection.bytesSeen = bytesRead;
      const isTooMuch =
        this.#ofAddress.take(connection.addressKey, more, now) > 0 || this.#ofAll.take('', more, now) > 0;
      // A token may be about to come, from a user behind the same NAT.
      if (isTooMuch && bytesRead > limits.firstRequestBytes) {
        connection.end();
      }
    }
    for (const [session, traffic] of this.#sessions) {
      const { connection } = traffic;
      if (session.destroyed) continue;
      if (now - traffic.began >= limits.controlWindowMs) {
        traffic.began = now;
        traffic.frames = 0;
        traffic.bytes = moved(connection);
      }
      const isStranger = connection.caller === undefined;
      const quietMs = connection.requests > 0 ? 0 : now - connection.quietSince;
      const isNew = connection.quietSince === connection.openedAt;
      const mayBeQuietMs = !isStranger ? limits.knownIdleMs : isNew ? limits.strangerSilentMs : limits.strangerIdleMs;
      if (quietMs >= mayBeQuietMs) session.close();
      else if (session.pendingSettingsAck && now - connection.openedAt >= limits.settingsMs && isStranger)
        calmDown(session);
    }
  }
}

/** Ends it with the reason. */
export function calmDown(session: Http2Session): void {
  if (!session.destroyed) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
}

const moved = ({ socket }: Connection): number => socket.bytesRead + socket.bytesWritten;
