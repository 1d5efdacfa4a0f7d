/**
 * Downloads an archive, or another file, from a URL that a user gave. Every hop is judged by fetch-policy, and connected to at exactly the
 * addresses that were judged; proxies of the environment are not used, since they would resolve names on their own. Nothing
 * of an answer, and no address, is part of an error.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { checkRedirect, checkUrl, type GuardedLookup, guardedLookup, pinnedLookup } from '#common/fetch-policy.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import { asFailure, chanceOfConnection, chanceOfStatus } from '../failures/chances.ts';
import { isMachineFailure } from '../failures/system-failures.ts';
import { createFetchFolder, type Fetched, type FetchParts, systemResolve } from './fetched.ts';

export interface ArchiveLimits {
  readonly maxBytes: number;
  /** Longest silence of the server. */
  readonly idleMs: number;
  readonly totalMs: number;
}

export const defaultArchiveLimits: ArchiveLimits = { maxBytes: 200 * 1024 * 1024, idleMs: 10_000, totalMs: 120_000 };
const redirectsMax = 3;

/** A file of any kind on this machine. */
export interface FetchedFile extends Fetched {
  /** When it was last changed, by the server's word. */
  readonly lastModified: Date | undefined;
}

/** ProblemError INVALID_ARCHIVE_URL, FORBIDDEN_URL, FETCH_FAILED, ARCHIVE_TOO_LARGE. On failure or abort nothing is left. */
export const fetchArchive = (
  parts: FetchParts,
  text: string,
  signal: AbortSignal,
  limits: ArchiveLimits = defaultArchiveLimits,
): Promise<Fetched> => fetchInto(parts, text, signal, limits, 'archive');

/** As fetchArchive, for a file that may be a web page, too. */
export const fetchFile = (
  parts: FetchParts,
  text: string,
  signal: AbortSignal,
  limits: ArchiveLimits = defaultArchiveLimits,
): Promise<FetchedFile> => fetchInto(parts, text, signal, limits, 'file');

async function fetchInto(
  parts: FetchParts,
  text: string,
  signal: AbortSignal,
  limits: ArchiveLimits,
  what: 'archive' | 'file',
): Promise<FetchedFile> {
  const url = unwrap(checkUrl(text, parts.allow));
  const lookup = guardedLookup(parts.resolve ?? systemResolve, parts.allow);
  const folder = await createFetchFolder(parts.dir);
  const path = join(folder.path, 'archive');
  try {
    const { headers } = await withTimeLimit(parts.clock, 'the download', limits.totalMs, signal, async (limit) => {
      const answer = await follow(parts, lookup, url, limit, limits);
      await save(parts, answer, path, limit, limits, what);
      return answer;
    });
    return { path, release: folder.remove, lastModified: dateOf(headers['last-modified']) };
  } catch (error) {
    await folder.remove();
    throw signal.aborted ? signal.reason : told(error);
  }
}

function dateOf(header: string | undefined): Date | undefined {
  const date = new Date(header ?? '');
  return Number.isNaN(date.getTime()) || date.getTime() < 0 ? undefined : date;
}

/** The first answer that is not a redirect. */
async function follow(
  parts: FetchParts,
  lookup: GuardedLookup,
  first: URL,
  signal: AbortSignal,
  { idleMs }: ArchiveLimits,
): Promise<IncomingMessage> {
  let url = first;
  for (let redirects = 0; redirects <= redirectsMax; redirects += 1) {
    const here = url;
    const answer = await withTimeLimit(parts.clock, 'the server', idleMs, signal, async (limit) =>
      open(here, unwrap(await lookup(here, limit)), signal),
    );
    const { statusCode: status = 0, headers } = answer;
    if (status === 200) return answer;
    answer.destroy();
    if (![301, 302, 303, 307, 308].includes(status)) {
      throw asFailure(problem('FETCH_FAILED', `The server answered with status ${status}.`), chanceOfStatus(status));
    }
    url = unwrap(checkRedirect(url, headers.location, parts.allow));
  }
  return refuse('FETCH_FAILED', `The server redirects more than ${redirectsMax} times.`);
}

function open(
  url: URL,
  addresses: readonly Parameters<typeof pinnedLookup>[0][number][],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const [first, ...others] = addresses;
  if (first === undefined) return Promise.reject(new Error('no address'));
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // A connection of its own: no cookie, no credential and no connection of another fetch is used again.
    const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'bot-runner' };
    const sent = request(url, { agent: false, signal, headers, lookup: pinnedLookup([first, ...others]) });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      // Until its reader listens, an abort would end the process; the reader gets the same error.
      answer.on('error', () => {});
      resolve(answer);
    });
    sent.end();
  });
}

function checkHead(headers: IncomingMessage['headers'], what: string): void {
  if (what === 'archive' && /^text\/html\b/i.test(headers['content-type'] ?? '')) {
    refuse('FETCH_FAILED', 'The URL leads to a web page, not to an archive.', {
      hint: 'Give the address of the .tar.gz itself.',
    });
  }
  // It was asked not to: a server that encodes anyway would have to be trusted about the size.
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    refuse('FETCH_FAILED', `The server sends the ${what} in a content encoding that was not requested.`);
  }
}

async function save(
  { clock }: FetchParts,
  answer: IncomingMessage,
  path: string,
  signal: AbortSignal,
  { maxBytes, idleMs }: ArchiveLimits,
  what: string,
): Promise<void> {
  const tooLarge = () => refuse('ARCHIVE_TOO_LARGE', `The ${what} is larger than ${maxBytes} bytes.`);
  const file = createWriteStream(path, { mode: 0o600 });
  const written = finished(file);
  // Its failure shows at the end, or as a write that is never done.
  written.catch(() => {});
  try {
    checkHead(answer.headers, what);
    if (Number(answer.headers['content-length'] ?? 0) > maxBytes) tooLarge();
    const chunks: AsyncIterator<Buffer> = answer[Symbol.asyncIterator]();
    for (let bytes = 0; ; ) {
      const next = await withTimeLimit(clock, 'the server', idleMs, signal, () => chunks.next());
      if (next.done) break;
      bytes += next.value.length;
      if (bytes > maxBytes) tooLarge();
      if (!file.write(next.value)) {
        await Promise.race([once(file, 'drain'), written]);
      }
    }
    file.end();
    await written;
  } finally {
    answer.destroy();
    file.destroy();
  }
}

function told(error: unknown): unknown {
  if (error instanceof ProblemError) return error;
  // A failure of this machine, not of the server: the disk, for example.
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (isMachineFailure(code)) return error;
  const message =
    error instanceof TimeLimitError
      ? 'The server took too long.'
      : 'The server could not be reached, or closed the connection.';
  return asFailure(problem('FETCH_FAILED', message), chanceOfConnection(code), { cause: error });
}
