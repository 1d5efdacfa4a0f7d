import { expect, it } from 'vitest';
import { createLook, type WatchedPeer } from './silent-peers.ts';

function createPeer() {
  const asked: ((error: Error | null) => void)[] = [];
  const socket = { bytesRead: 10 };
  const peer = {
    destroyed: false,
    socket,
    asked,
    ping: (done: (error: Error | null) => void) => asked.push(done) > 0,
    destroy() {
      peer.destroyed = true;
    },
  };
  return peer;
}

function watch(peer: ReturnType<typeof createPeer>) {
  const look = createLook();
  let now = 0;
  // Only what is used of a session.
  const watched = peer as unknown as WatchedPeer;
  return (ms: number) => {
    for (const end = now + ms; now < end; now += 1_000) look(watched, now);
  };
}

it('does not ping a peer that says something now and then', () => {
  const peer = createPeer();
  const pass = watch(peer);
  for (let n = 0; n < 20; n++) {
    peer.socket.bytesRead += 1;
    pass(3_000);
  }
  expect([peer.asked.length, peer.destroyed]).toEqual([0, false]);
});

it('hostile 103: pings one that is quiet, and ends it within ten seconds if it does not answer', () => {
  const peer = createPeer();
  const pass = watch(peer);
  pass(6_000);
  expect([peer.asked.length, peer.destroyed]).toEqual([1, false]);
  pass(5_000);
  expect([peer.asked.length, peer.destroyed]).toEqual([1, true]);
});

it.each([
  ['by the bytes of its answer', (peer: ReturnType<typeof createPeer>) => (peer.socket.bytesRead += 17)],
  [
    'by the answer itself, where bytes are not counted',
    (peer: ReturnType<typeof createPeer>) => peer.asked.at(-1)?.(null),
  ],
])('keeps one that answers, %s', (_how, answer) => {
  const peer = createPeer();
  const pass = watch(peer);
  let answered = 0;
  for (let n = 0; n < 30; n++) {
    pass(1_000);
    if (peer.asked.length > answered) answer(peer);
    answered = peer.asked.length;
  }
  expect(peer.destroyed).toBe(false);
  expect(peer.asked.length).toBeGreaterThan(2);
});
