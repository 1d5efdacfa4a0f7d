import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Connection, type ConnectionBounds, Connections } from './connections.ts';

let port = 0;
class FakeSocket extends EventEmitter {
  readonly remoteAddress = 'a';
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort = 1;
  destroyed = false;
  constructor(remotePort = ++port, localAddress = 'x') {
    super();
    this.remotePort = remotePort;
    this.localAddress = localAddress;
  }
  destroy() {
    this.destroyed = true;
    this.emit('close');
  }
}

const bounds: ConnectionBounds = {
  max: 20,
  keptPart: 0.2,
  strangersMax: 6,
  strangersPerAddressMax: 3,
  perCallerMax: 8,
  makesRoom: { burst: 40, perSecond: 2 },
};

interface Opened {
  readonly connections: Connections;
  readonly from: (address: string, now?: number) => Connection | undefined;
  /** The strangers that are there from an address. */
  readonly at: (address: string) => readonly Connection[];
}

function open(): Opened {
  // Nobody is new.
  let turn = 0;
  const turns = {
    get now() {
      turn += 2;
      return turn;
    },
  };
  const connections = new Connections(bounds, turns);
  // As much of a socket as is used.
  return {
    connections,
    from: (address, now = 0) => connections.accept(new FakeSocket() as unknown as Socket, address, now),
    at: (address) => [...connections.strangers].filter((connection) => connection.address === address),
  };
}
const isOpen = (connection: Connection | undefined) => connection !== undefined && !connection.socket.destroyed;

describe('strangers', () => {
  it('of an address that floods are refused, unless a user was there within the hour', () => {
    const hourMs = 3_600_000;
    const { connections, from } = open();
    const user = from('a');
    if (user !== undefined) connections.known(user, 'client dev', 0);
    for (let n = 0; n < 100; n++) for (const address of ['a', 'b']) from(address);
    expect(isOpen(from('a'))).toBe(true);
    expect(isOpen(from('b'))).toBe(false);
    for (let n = 0; n < 100; n++) from('a', hourMs);
    expect(isOpen(from('a', hourMs))).toBe(false);
  });

  it('of one address make room for each other, the one that was quiet longest first', () => {
    const { from, connections } = open();
    const [first, second, third] = [from('a'), from('a'), from('a')];
    const other = from('b');
    if (first !== undefined) first.requests = 1;
    const fourth = from('a');
    expect([first, second, third, fourth, other].map(isOpen)).toEqual([true, false, true, true, true]);
    expect(connections.size).toBe(4);
  });

  it('of an address that comes again and again is refused at once, and its others stay; no other address notices', () => {
    const { from, at } = open();
    for (let n = 0; n < 3 + bounds.makesRoom.burst; n++) expect(isOpen(from('a'))).toBe(true);
    const there = [...at('a')];
    expect(from('a')).toBeUndefined();
    expect(there.map(isOpen)).toEqual([true, true, true]);
    expect([from('b'), from('b'), from('b'), from('b')].slice(1).map(isOpen)).toEqual([true, true, true]);
    // A second later it may come twice.
    expect([from('a', 1_000), from('a', 1_000), from('a', 1_000)].map(isOpen)).toEqual([true, true, false]);
  });

  it('that all ask for something leave no room for more of their address', () => {
    const { from } = open();
    for (const connection of [from('a'), from('a'), from('a')]) if (connection !== undefined) connection.requests = 1;
    expect(from('a')).toBeUndefined();
    expect(from('b')).toBeDefined();
  });

  it('of all addresses make room for each other', () => {
    const { from, connections } = open();
    const all = Array.from({ length: 30 }, (_, n) => from(`address ${n}`));
    expect(connections.strangers.size).toBe(6);
    expect(all.slice(-6).every(isOpen)).toBe(true);
  });

  it('are counted for whom a proxy speaks', () => {
    const { from, connections } = open();
    const all = Array.from({ length: 5 }, () => from('proxy'));
    const said = all.map(
      (connection) => connection !== undefined && isOpen(connection) && connections.comesFrom(connection, 'x', 0),
    );
    expect(said.filter(Boolean)).toHaveLength(3);
  });
});

describe('callers', () => {
  it('are no strangers, and have half of all', () => {
    const { from, connections } = open();
    let told = 0;
    for (let n = 0; n < 8; n++) {
      const connection = from('a');
      if (connection === undefined) throw new Error('there was no room');
      connection.onKnown = () => {
        told += 1;
      };
      connection.requests = 1;
      expect(connections.known(connection, 'client dev', 0)).toBe(true);
    }
    expect([connections.strangers.size, told]).toEqual([0, 8]);
    const ninth = from('a');
    expect(ninth && connections.known(ninth, 'client dev', 0)).toBe(false);
    expect(ninth && connections.known(ninth, 'client ann', 0)).toBe(true);
  });

  it('lose the connection that does nothing when they open one too many', () => {
    const { from, connections } = open();
    const all = Array.from({ length: 9 }, () => {
      const connection = from('a');
      if (connection !== undefined) connections.known(connection, 'client dev', 0);
      return connection;
    });
    expect(all.map(isOpen)).toEqual([false, ...Array(8).fill(true)]);
  });
});

it('the last part is reserved: connections in it are late, and beyond it there are none', () => {
  const { from, connections } = open();
  const busy = (caller: string) => {
    const connection = from(caller);
    if (connection === undefined) return undefined;
    connection.requests = 1;
    connections.known(connection, caller, 0);
    return connection.late;
  };
  const lates = Array.from({ length: 21 }, (_, n) => busy(`caller ${n % 3}`));
  expect(lates).toEqual([...Array(16).fill(false), ...Array(4).fill(true), undefined]);
  expect(connections.size).toBe(20);
});

it('who came late is late no more once others have left', () => {
  const { from, connections } = open();
  const all = Array.from({ length: 17 }, (_, n) => {
    const connection = from('a');
    if (connection === undefined) throw new Error('there was no room');
    connection.requests = 1;
    connections.known(connection, `caller ${n % 3}`, 0);
    return connection;
  });
  expect(all.map((connection) => connections.isLate(connection))).toEqual([...Array(16).fill(false), true]);
  for (const { socket } of all.slice(0, 2)) socket.destroy();
  expect(all.some((connection) => connections.isLate(connection))).toBe(false);
});

it('a connection that has just arrived is not closed to make room: what it has sent is about to be read', async () => {
  const connections = new Connections(bounds);
  const from = () => connections.accept(new FakeSocket() as unknown as Socket, 'a', 0);
  const all = Array.from({ length: 10 }, from);
  expect(all.every(isOpen)).toBe(true);
  for (let turns = 0; turns < 3; turns++) {
    from();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(all.filter(isOpen).length).toBeLessThan(10);
});

it('from one port to two of our addresses count as two', () => {
  const connections = new Connections(bounds);
  const [first, second] = [new FakeSocket(40_000, 'x'), new FakeSocket(40_000, 'y')];
  for (const socket of [first, second]) connections.accept(socket as unknown as Socket, 'a', 0);
  expect(connections.of(first)?.socket).toBe(first);
  second.destroy();
  expect(connections.of(first)?.socket).toBe(first);
});
