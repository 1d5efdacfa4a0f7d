/** A package index for builds that must fail or not end: it has no package, and does not answer for one called "endless". */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface EndlessIndex {
  readonly url: string;
  /** Whether a build waits here, or has. */
  reached(): boolean;
  close(): Promise<void>;
}

export const absentRequirement = 'no-such-package-anywhere';
export const endlessRequirement = 'endless';

/** Listens on an address that builds can reach. Serves pip and npm alike. */
export async function startEndlessIndex(host: string): Promise<EndlessIndex> {
  let reached = false;
  const server = createServer((request, response) => {
    if (request.url?.includes(`/${endlessRequirement}`)) {
      reached = true;
      return;
    }
    response.writeHead(404).end('{}');
  });
  server.listen(0, host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { port } = server.address() as AddressInfo;
  return {
    reached: () => reached,
    url: `http://${host}:${port}/simple/`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
