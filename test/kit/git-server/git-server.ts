/**
 * Git over http for tests: `git http-backend` behind a small server, with or without a password.
 *
 *     const server = await startGitServer({ credentials });
 *     await server.commit('bot.git', 'main', { Dockerfile: 'FROM scratch' });
 *     `${server.url}/bot.git`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runProgram } from '../private-engine/run-program.ts';

export interface GitServerOptions {
  readonly credentials?: { readonly username: string; readonly password: string };
}

export interface TestGitServer {
  readonly url: string;
  /** host:port */
  readonly place: string;
  /** The repository's folder, for further git commands. */
  folder(name: string): string;
  /** Makes the repository if needed, with that branch as its default, and commits files; `-> target` makes a link. */
  commit(name: string, branch: string, files: Readonly<Record<string, string>>): Promise<string>;
  git(name: string, ...args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

const env = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  ...Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'Ann'],
      [`GIT_${who}_EMAIL`, 'ann@example.org'],
    ]),
  ),
};

export async function startGitServer(options: GitServerOptions = {}): Promise<TestGitServer> {
  const root = await mkdtemp(join(tmpdir(), 'git-server-'));
  const backend = join((await runProgram('git', ['--exec-path'])).trim(), 'git-http-backend');
  const server = createServer((request, response) => {
    const { username, password } = options.credentials ?? {};
    const right = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (options.credentials && request.headers.authorization !== right) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    } else serve(backend, root, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo.
  const place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = (name: string) => join(root, name);
  const git = (name: string, ...args: readonly string[]) => runProgram('git', args, { cwd: folder(name), env });
  return {
    url: `http://${place}`,
    place,
    folder,
    git,
    async commit(name, branch, files) {
      await mkdir(folder(name), { recursive: true });
      await git(name, 'init', '--quiet', `--initial-branch=${branch}`);
      for (const [file, content] of Object.entries(files)) {
        const path = join(folder(name), file);
        await mkdir(dirname(path), { recursive: true });
        if (content.startsWith('-> ')) await symlink(content.slice(3), path);
        else await writeFile(path, content);
      }
      await git(name, 'add', '--all');
      await git(name, 'commit', '--quiet', '--message=files');
      return (await git(name, 'rev-parse', 'HEAD')).trim();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** One request by the rules of CGI (RFC 3875). */
function serve(backend: string, root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://server');
  const header = (name: string) => String(request.headers[name] ?? '');
  const child = spawn(backend, {
    env: {
      ...env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: header('content-type'),
      CONTENT_LENGTH: header('content-length'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      GIT_PROTOCOL: header('git-protocol'),
      REMOTE_ADDR: '127.0.0.1',
    },
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => {}); // the backend need not read all
  response.on('close', () => child.kill());
  let head: Buffer | undefined = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    if (head === undefined) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const fields = head
      .toString('latin1', 0, end)
      .split('\r\n')
      .map((line) => line.split(/:\s*(.*)/) as [string, string]);
    const status = fields.find(([name]) => name.toLowerCase() === 'status')?.[1] ?? '200';
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(fields.filter(([name]) => name !== 'Status')));
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  child.stdout.on('end', () => response.end());
}
