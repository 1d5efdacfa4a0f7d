/** A TCP proxy on loopback whose connections can be reset, or hang for a while as if no packet came through any more. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net';

export interface FaultProxy {
  readonly port: number;
  /** From now on nothing comes through, in either direction; connections stay open, and new ones are taken. */
  hang(): void;
  /** What was held back comes through. */
  heal(): void;
  /** Resets every connection; new ones are taken as before. */
  reset(): void;
  close(): Promise<void>;
}

export async function startFaultProxy(target: NetConnectOpts): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let hangs = false;
  const reset = (socket: Socket) => {
    // A socket of the file system knows no reset.
    if (socket.remotePort === undefined) socket.destroy();
    else socket.resetAndDestroy();
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...target, allowHalfOpen: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    const join = (from: Socket, to: Socket) => {
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (!hangs) from.resume();
      });
      from.on('end', () => to.end());
      from.on('error', () => reset(to));
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
      if (hangs) from.pause();
    };
    join(near, far);
    join(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const each = (act: (socket: Socket) => void) => {
    for (const pair of pairs) for (const socket of pair) act(socket);
  };
  return {
    // A TCP server that listens has an AddressInfo.
    port: (server.address() as AddressInfo).port,
    hang() {
      hangs = true;
      each((socket) => socket.pause());
    },
    heal() {
      hangs = false;
      each((socket) => socket.resume());
    },
    reset: () => each(reset),
    async close() {
      const closed = once(server, 'close');
      server.close();
      each((socket) => socket.destroy());
      await closed;
    },
  };
}
