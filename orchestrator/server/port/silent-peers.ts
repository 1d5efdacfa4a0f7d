/**
 * Ends the connections of HTTP/2 whose peer is gone without a word: frozen, or behind a link that is dead. TCP alone would keep them open
 * forever; only an unanswered ping reveals them. One timer for all of them, and a peer that was heard is not pinged.
 */
import type { Http2Session } from 'node:http2';
import { always } from '#common/background.ts';

const lookMs = 1_000;
const times = { quietMs: 4_000, answerMs: 5_000 };

/** What is known of a peer. Times are monotonic, ms. */
interface Peer {
  bytes: number;
  heardAt: number;
  pingedAt: number | undefined;
}

/** A connection, as far as it is watched. */
export interface WatchedPeer extends Pick<Http2Session, 'destroyed' | 'ping' | 'destroy'> {
  readonly socket?: { readonly bytesRead: number };
}

/** The returned function ends the watch. */
export function watchPeers(sessions: Iterable<WatchedPeer>): () => void {
  const look = createLook();
  return always(lookMs, () => {
    const now = performance.now();
    for (const session of sessions) look(session, now);
  });
}

/** Looks at one connection: pings it when it has been quiet, and ends it when it does not answer. */
export function createLook(): (session: WatchedPeer, nowMs: number) => void {
  const peers = new WeakMap<WatchedPeer, Peer>();
  return (session, nowMs) => {
    // It may be destroyed for a while before it says that it is closed; a ping would then throw, and it has no socket.
    if (session.destroyed) return;
    const bytes = session.socket?.bytesRead ?? 0;
    const peer = peers.get(session);
    if (peer === undefined) {
      peers.set(session, { bytes, heardAt: nowMs, pingedAt: undefined });
    } else if (peer.bytes !== bytes) {
      peer.bytes = bytes;
      peer.heardAt = nowMs;
      peer.pingedAt = undefined;
    } else if (peer.pingedAt !== undefined) {
      if (nowMs - peer.pingedAt >= times.answerMs) session.destroy(new Error('ping timed out'));
    } else if (nowMs - peer.heardAt >= times.quietMs) {
      peer.pingedAt = nowMs;
      session.ping((error) => {
        // The bytes of an answer are seen at the next look; some sockets do not count them.
        if (error === null) Object.assign(peer, { heardAt: nowMs, pingedAt: undefined });
      });
    }
  };
}
