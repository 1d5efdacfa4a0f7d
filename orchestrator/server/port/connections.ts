/**
 * All connections of the port: who has shown a token on them, and who has not yet.
 *
 * 1. A stranger is a connection on which no valid token has come. Strangers are bounded per address and in all; the one who has been silent
 *    longest makes room for the next, so that a crowd of silent ones shuts nobody out. Who came in this turn of the event loop or the one before
 *    is let be: what it has sent already is only about to be read. An address whose own make room for each other too often is refused at once
 *    instead: that costs a third, and all others wait behind its connections. But not one from which a valid token came lately: its user may be
 *    about to come again, from behind the NAT that others flood from.
 * 2. A known connection counts for its caller alone. One caller may have half of all.
 * 3. The last twentieth is kept: who comes then is late, and admission lets only those through on it for whom it is kept.
 */
import type { Socket } from 'node:net';
import { inBackground, nextTurn } from '#common/background.ts';
import { Buckets, type Rate } from '../rates/buckets.ts';
import { addressKey } from './addresses.ts';

export interface ConnectionBounds {
  readonly max: number;
  readonly keptPart: number;
  readonly strangersMax: number;
  readonly strangersPerAddressMax: number;
  readonly perCallerMax: number;
  /** How often those of one address may make room for each other. */
  readonly makesRoom: Rate;
}

/** `max`: of all connections together. */
export const boundsOf = (max: number): ConnectionBounds => ({
  max,
  keptPart: 0.05,
  strangersMax: Math.max(16, Math.floor(max / 4)),
  strangersPerAddressMax: Math.max(8, Math.floor(max / 10)),
  perCallerMax: Math.max(16, Math.floor(max / 2)),
  makesRoom: { burst: 1_000, perSecond: 100 },
});

export interface Connection {
  /** Of who connected, or for whom a trusted proxy did by the PROXY protocol. */
  address: string;
  readonly socket: Socket;
  /** Where it comes from, as no other connection does at the same time. */
  readonly peer: string;
  /** Of those that are counted together. */
  addressKey: string;
  isHttp2: boolean;
  /** How many requests were refused on it while it was a stranger. */
  refusals: number;
  readonly openedAt: number;
  /** The turn of the event loop in which it came. */
  readonly turn: number;
  /** Accepted when only the kept part was left. */
  readonly late: boolean;
  /** Undefined for a stranger. */
  caller: string | undefined;
  /** Requests under way. */
  requests: number;
  /** When the last request ended, or the connection began; monotonic, ms. */
  quietSince: number;
  /** Read so far, as of the last look. */
  bytesSeen: number;
  /** Ends it, in the words of its protocol. */
  end: () => void;
  /** When the first token has come. */
  onKnown: () => void;
}

const homeMs = 3_600_000;
const homesMax = 20_000;

export class Connections {
  readonly #bounds: ConnectionBounds;
  readonly #all = new Set<Connection>();
  readonly #byPeer = new Map<string, Connection>();
  readonly #strangers = new Set<Connection>();
  readonly #strangersAt = new Map<string, Set<Connection>>();
  readonly #known = new Map<string, Set<Connection>>();

  /** Addresses from which valid tokens came, and when last; the one used last stands last. */
  readonly #homes = new Map<string, number>();

  readonly #turns: { readonly now: number };
  readonly #makesRoom: Buckets;

  constructor(bounds: ConnectionBounds, turns: { readonly now: number } = new Turns()) {
    this.#bounds = bounds;
    this.#turns = turns;
    this.#makesRoom = new Buckets(bounds.makesRoom);
  }

  get size(): number {
    return this.#all.size;
  }

  get strangers(): ReadonlySet<Connection> {
    return this.#strangers;
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#all.values();
  }

  /**
   * Undefined when there is no room: the socket has been ended then. `forOthers`: the address is that of a proxy whose word counts, and says
   * nothing about who sends.
   */
  accept(socket: Socket, address: string, now: number, forOthers = false): Connection | undefined {
    const { max, strangersMax } = this.#bounds;
    const key = addressKey(address);
    const isRoom =
      (forOthers || this.#isRoomAt(key, now)) &&
      (this.#strangers.size < strangersMax || this.#endQuietest(this.#strangers)) &&
      (!this.#isScarce || this.#endQuietest(this.#strangers) || this.#all.size < max) &&
      this.#all.size < max;
    if (!isRoom) {
      socket.destroy();
      return undefined;
    }
    const connection: Connection = {
      address,
      addressKey: key,
      isHttp2: false,
      refusals: 0,
      socket,
      peer: peerOf(socket),
      openedAt: now,
      turn: this.#turns.now,
      late: this.#isScarce,
      caller: undefined,
      requests: 0,
      quietSince: now,
      bytesSeen: 0,
      end: () => socket.destroy(),
      onKnown: () => undefined,
    };
    this.#all.add(connection);
    this.#byPeer.set(connection.peer, connection);
    this.#strangers.add(connection);
    addTo(this.#strangersAt, key, connection);
    socket.once('close', () => this.#remove(connection));
    return connection;
  }

  /** As the proxy that has connected says. False when the address has too many: the connection has been ended then. */
  comesFrom(connection: Connection, address: string, now: number): boolean {
    const key = addressKey(address);
    if (!this.#isRoomAt(key, now)) {
      connection.end();
      return false;
    }
    this.#leave(connection);
    connection.address = address;
    connection.addressKey = key;
    this.#strangers.add(connection);
    addTo(this.#strangersAt, key, connection);
    return true;
  }

  #isRoomAt(key: string, now: number): boolean {
    const there = this.#strangersAt.get(key);
    if (there === undefined || there.size < this.#bounds.strangersPerAddressMax) return true;
    const isHome = now - (this.#homes.get(key) ?? Number.NEGATIVE_INFINITY) < homeMs;
    return (isHome || this.#makesRoom.take(key, 1, now) === 0) && this.#endQuietest(there);
  }

  #rememberHome(key: string, now: number): void {
    this.#homes.delete(key);
    this.#homes.set(key, now);
    if (this.#homes.size <= homesMax) return;
    const [oldest] = this.#homes.keys();
    if (oldest !== undefined) this.#homes.delete(oldest);
  }

  /** By a socket of the connection: the one that was accepted, or one of TLS on top of it. */
  of(socket: Ends): Connection | undefined {
    return this.#byPeer.get(peerOf(socket));
  }

  /** Whether it was accepted when only the kept part was left, and no more is left now: a proxy may use it for days. */
  isLate({ late }: Connection): boolean {
    return late && this.#isScarce;
  }

  /** Whether only the kept part is left. */
  get #isScarce(): boolean {
    return this.#all.size >= this.#bounds.max * (1 - this.#bounds.keptPart);
  }

  /** A valid token of the caller has come on it. False when the caller has too many. */
  known(connection: Connection, caller: string, now: number): boolean {
    this.#rememberHome(connection.addressKey, now);
    if (connection.caller === caller || !this.#all.has(connection)) return true;
    const others = this.#known.get(caller);
    if (others !== undefined && others.size >= this.#bounds.perCallerMax && !this.#endQuietest(others)) return false;
    const isFirst = connection.caller === undefined;
    // The last caller counts: a proxy passes on the requests of many.
    this.#leave(connection);
    connection.caller = caller;
    addTo(this.#known, caller, connection);
    if (isFirst) connection.onKnown();
    return true;
  }

  /** False when all of them have requests under way. One that was ended does not count any more. */
  #endQuietest(connections: Iterable<Connection>): boolean {
    // In the order in which they came: the first without a request has been quiet for the longest, or nearly so.
    let areNew = false;
    for (const connection of connections) {
      if (connection.requests > 0) continue;
      // All that follow came later still.
      areNew = connection.caller === undefined && connection.turn >= this.#turns.now - 1;
      if (areNew) break;
      this.#remove(connection);
      connection.end();
      return true;
    }
    return areNew;
  }

  #leave(connection: Connection): void {
    if (connection.caller !== undefined) removeFrom(this.#known, connection.caller, connection);
    else if (this.#strangers.delete(connection)) removeFrom(this.#strangersAt, connection.addressKey, connection);
  }

  #remove(connection: Connection): void {
    this.#all.delete(connection);
    if (this.#byPeer.get(connection.peer) === connection) this.#byPeer.delete(connection.peer);
    this.#leave(connection);
  }
}

/** Counts the turns of the event loop in which anybody asks. */
class Turns {
  #now = 0;
  #counting = false;

  get now(): number {
    if (!this.#counting) {
      this.#counting = true;
      inBackground(
        nextTurn().then(() => {
          this.#now += 1;
          this.#counting = false;
        }),
        () => undefined,
      );
    }
    return this.#now;
  }
}

type Ends = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>;

/** All four: from one port, a peer may have connected to several addresses of ours. */
const peerOf = ({ remoteAddress, remotePort, localAddress, localPort }: Ends) =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

function addTo(map: Map<string, Set<Connection>>, key: string, connection: Connection): void {
  const set = map.get(key) ?? new Set();
  set.add(connection);
  map.set(key, set);
}

function removeFrom(map: Map<string, Set<Connection>>, key: string, connection: Connection): void {
  const set = map.get(key);
  set?.delete(connection);
  if (set?.size === 0) map.delete(key);
}
