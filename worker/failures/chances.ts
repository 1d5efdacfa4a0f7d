/**
 * Which failures pass on their own. A table for each place that failures come from; a failure in none of them is final.
 * Pure.
 */
import { type Problem, ProblemError } from '#common/problem.ts';
import { TransientProblemError } from './transient.ts';

/**
 * `again`: tried until the job's deadline. `briefly`: a few times, because it is usually a mistake and rarely a restart.
 * `final`: not tried again.
 */
export type Chance = 'again' | 'briefly' | 'final';

const briefTriesMax = 4;

/** The error to throw for a problem with this chance. */
export function asFailure(problem: Problem, chance: Chance, options: { readonly cause?: unknown } = {}): ProblemError {
  if (chance === 'final') return new ProblemError(problem, options);
  return new TransientProblemError(problem, chance === 'briefly' ? briefTriesMax : Number.POSITIVE_INFINITY, options);
}

/** For another server, by its connection's error: https://nodejs.org/api/errors.html#common-system-errors. */
export function chanceOfConnection(code: string): Chance {
  if (code === 'ECONNREFUSED') return 'briefly';
  // A name that nobody has stays so; only "try again" of the resolver is about now.
  if (code === 'ENOTFOUND' || code === 'EAI_NODATA' || code === 'EAI_NONAME') return 'final';
  // TLS: the certificate of the other side, or no TLS at all.
  if (/^(?:CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_)/.test(code) || code === 'EPROTO') return 'final';
  return 'again';
}

/** For another server, by the status it answered with: https://www.rfc-editor.org/rfc/rfc9110#section-15. */
export const chanceOfStatus = (status: number): Chance =>
  status >= 500 || status === 408 || status === 425 || status === 429 ? 'again' : 'final';

/**
 * Whether the program that git begins for a pack was ended by a limit of ours: one that fails by itself, or because a connection was cut,
 * says why first.
 */
export const metLimitOfGit = (stderr: string): boolean =>
  /^\s*fatal: (?:fetch-pack: )?invalid index-pack output\s*$/.test(stderr);

/** The disk of the worker, or its quota; what the other side says of its own disk comes after "remote:". */
export const noSpaceForGit = /^(?![ \t]*remote:).*(?:No space left on device|Disk quota exceeded)/im;

/** For git, by its complaint: what curl or the other side said. */
export function chanceOfGit(stderr: string): Chance {
  if (noSpaceForGit.test(stderr)) return 'again';
  if (metLimitOfGit(stderr)) return 'final';
  if (/Connection refused|Failed to connect|Couldn't connect/i.test(stderr)) return 'briefly';
  return gitPhrases.test(stderr) ? 'again' : 'final';
}

const gitPhrases =
  /returned error: (?:408|425|429|5\d\d)|Connection (?:was )?(?:reset|timed out|died|closed)|timed out|early EOF|unexpected (?:disconnect|EOF)|RPC failed|hung up unexpectedly|Recv failure|Send failure|Empty reply|transfer closed|Temporary failure|SSL_ERROR_SYSCALL|stream \d+ was not closed cleanly|invalid index-pack output|bad pack header/i;

/** For a registry, by the engine's words. */
export function chanceOfPull(words: string): Chance {
  if (/x509|tls:|server gave HTTP response|no such host/i.test(words)) return 'final';
  if (/connection refused/i.test(words)) return 'briefly';
  return pullPhrases.test(words) ? 'again' : 'final';
}

const pullPhrases =
  /connection reset|broken pipe|\bEOF\b|timeout|timed out|deadline exceeded|unreachable|no route to host|server misbehaving|temporary failure|try again|toomanyrequests|too many requests|(?:status|code|response)[^.\n]{0,40}\b5\d\d\b|\b50[0-4] (?:Internal|Bad|Service|Gateway)|short read|unexpected http code: 5\d\d|received unexpected HTTP status: 5\d\d|filesystem layer verification failed|context canceled|transport is closing|ttrpc: closed/i;
