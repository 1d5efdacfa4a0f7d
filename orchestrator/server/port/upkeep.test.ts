import { EventEmitter } from 'node:events';
import type { Http2Session } from 'node:http2';
import { describe, expect, it } from 'vitest';
import type { Connection } from './connections.ts';
import { limits, PortUpkeep } from './upkeep.ts';

class Session extends EventEmitter {
  destroyed = false;
  pendingSettingsAck = false;
  ended = '';
  close() {
    this.ended = 'closed';
  }
  destroy() {
    this.ended = 'destroyed';
    this.destroyed = true;
  }
}

function open(changes: Partial<Connection> = {}) {
  const session = new Session();
  const socket = { bytesRead: 0, bytesWritten: 0 };
  const ended = { times: 0 };
  // As much of a connection as is looked at.
  const connection = {
    addressKey: 'a',
    socket,
    openedAt: 0,
    quietSince: 0,
    requests: 0,
    bytesSeen: 0,
    caller: undefined,
    end: () => {
      ended.times += 1;
    },
    ...changes,
  } as unknown as Connection;
  const upkeep = new PortUpkeep();
  upkeep.watch(session as unknown as Http2Session, connection, 0);
  return { session, socket, connection, upkeep, ended };
}

describe('a connection of HTTP/2', () => {
  it.each<[string, Partial<Connection>, number, string]>([
    ['of a stranger that has asked for nothing', {}, limits.strangerSilentMs, 'closed'],
    ['of a stranger that has asked', { quietSince: 1 }, limits.strangerIdleMs + 1, 'closed'],
    ['of a stranger, a little earlier', { quietSince: 1 }, limits.strangerIdleMs, ''],
    ['of a stranger with a request under way', { requests: 1 }, limits.knownIdleMs, ''],
    ['of a caller', { caller: 'client dev' }, limits.knownIdleMs, 'closed'],
    ['of a caller, a little earlier', { caller: 'client dev' }, limits.knownIdleMs - 1, ''],
  ])('%s', (_title, changes, now, ended) => {
    const { upkeep, session } = open(changes);
    upkeep.look([], now);
    expect(session.ended).toBe(ended);
  });

  it('whose peer never confirms our settings is over', () => {
    const { upkeep, session } = open({ quietSince: 1, requests: 1 });
    session.pendingSettingsAck = true;
    upkeep.look([], limits.settingsMs);
    expect(session.ended).toBe('destroyed');
  });

  it.each(['ping', 'remoteSettings'])('on which nothing moves but frames of %s is over', (event) => {
    const { session, socket } = open();
    for (let n = 0; n < limits.controlFrames && !session.destroyed; n++) {
      socket.bytesRead += 17;
      socket.bytesWritten += 17;
      session.emit(event);
    }
    expect(session.ended).toBe('destroyed');
  });

  it('is not over for pings beside a stream, as clients send them to measure it', () => {
    const { session, socket, upkeep } = open({ caller: 'client dev', requests: 1 });
    for (let n = 0; n < 20 * limits.controlFrames; n++) {
      socket.bytesRead += 17;
      socket.bytesWritten += 400;
      session.emit('ping');
    }
    upkeep.look([], 1_000);
    expect(session.ended).toBe('');
  });
});

it('strangers of one address may send so much and no more, on however many connections', () => {
  const { upkeep } = open();
  const many = Array.from({ length: 40 }, () => open());
  const connections = many.map(({ connection }) => connection);
  for (const { socket } of many) socket.bytesRead = 1024 * 1024;
  upkeep.look(connections, 0);
  expect(many.filter(({ ended }) => ended.times > 0)).toHaveLength(8);
});
