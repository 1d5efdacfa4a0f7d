/** A Python package index (PEP 503) for tests: pip resolves and installs from it for real, without the internet. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Wheel } from './wheel.ts';

export interface PackageIndexOptions {
  /** Address to listen on; one that builds can reach. */
  readonly host: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly wheels: readonly Wheel[];
}

export interface PackageIndex {
  /** For PIP_INDEX_URL, for example "http://10.99.1.1:40213/simple/". Without https, pip must be told to trust its host. */
  readonly url: string;
  /** File names that were downloaded, each once, in order. */
  downloads(): readonly string[];
  close(): Promise<void>;
}

export async function startPackageIndex(options: PackageIndexOptions): Promise<PackageIndex> {
  const { wheels } = options;
  const downloads = new Set<string>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://index').pathname;
    const [, folder, name = ''] = /^\/(simple|files)\/([^/]+)\/?$/.exec(path) ?? [];
    const file = folder === 'files' && wheels.find((wheel) => wheel.fileName === name);
    const project = folder === 'simple' ? wheels.filter((wheel) => wheel.project === name) : [];
    if (file) {
      downloads.add(file.fileName);
      send(response, 200, 'application/octet-stream', file.content);
    } else if (project.length > 0) send(response, 200, 'text/html', projectPage(project));
    else send(response, 404, 'text/plain', 'not found\n');
  });
  server.listen(options.port ?? 0, options.host);
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo; only pipes have text and closed servers null.
  const { address, port } = server.address() as AddressInfo;
  return {
    url: `http://${address}:${port}/simple/`,
    downloads: () => [...downloads],
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function projectPage(wheels: readonly Wheel[]): string {
  const links = wheels.map(({ fileName, sha256, requiresPython }) => {
    const python = requiresPython && ` data-requires-python="${escapeHtml(requiresPython)}"`;
    return `<a href="/files/${fileName}#sha256=${sha256}"${python}>${fileName}</a>`;
  });
  return `<!DOCTYPE html><html><body>${links.join('\n')}</body></html>`;
}

const escapeHtml = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function send(response: ServerResponse, status: number, type: string, content: string | Buffer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(content) }).end(content);
}
