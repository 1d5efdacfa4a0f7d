/** What git's complaint means, in words of our own: its own can hold addresses, paths and text of the server. Pure. */
import { type Problem, problem } from '#common/problem.ts';
import { metLimitOfGit, noSpaceForGit } from '../failures/chances.ts';

/** GIT_FAILED with a short reason. */
export function gitFailure(stderr: string, hasCredentials: boolean): Problem {
  if (metLimitOfGit(stderr)) return tooLarge();
  const found = meanings.find(([phrase]) => phrase.test(stderr));
  const [, reason, hint] = found ?? [];
  if (reason === undefined) return problem('GIT_FAILED', 'The repository could not be fetched.');
  if (reason === 'too large') return tooLarge();
  if (reason !== 'auth') return problem('GIT_FAILED', reason, hint === undefined ? {} : { hint });
  return hasCredentials
    ? problem('GIT_FAILED', 'The git server refused the credentials.', { hint: 'Check user and token.' })
    : problem('GIT_FAILED', 'The git server requires credentials, or has no such repository.', {
        hint: 'Check the URL; for a private repository give "git_auth".',
      });
}

const tooLarge = (): Problem =>
  problem('GIT_FAILED', 'The repository is too large.', {
    hint: 'Leave large files out of it, or send the folder as "archive".',
  });

const meanings: readonly (readonly [RegExp, string, string?])[] = [
  [
    noSpaceForGit,
    'The disk of the worker has no room for the repository.',
    'Try again later, or ask the operator for space on the worker.',
  ],
  [/could not read (?:Username|Password)|Authentication failed|returned error: 40[13]/i, 'auth'],
  [
    /not our ref|unadvertised object|remote error: upload-pack: not our ref|did not send all necessary objects/i,
    'The repository has no such commit, or its server does not give out commits by their id.',
    'Check the id, or name a branch or tag as "git_branch".',
  ],
  [
    /' not found|returned error: 404|not valid: is this a git repository/i,
    'There is no repository at the URL.',
    'Check the URL; for a private repository give "git_auth".',
  ],
  [
    /returned error: 30\d|redirect/i,
    'The git server redirects, and redirects are not followed.',
    'Give the address of the repository itself.',
  ],
  [
    /SSL|certificate/i,
    'The certificate of the git server is not valid.',
    'Check the name in the URL; the operator of the git server has to see to its certificate.',
  ],
  [
    /Could not resolve|Failed to connect|Couldn't connect|Connection (?:refused|timed out|reset)|timed out/i,
    'The git server could not be reached.',
    'Check the name and the port in the URL, and that the server is reachable from the worker.',
  ],
  [/returned error: (?:408|425|429|5\d\d)/i, 'The git server is temporarily unavailable.', 'Try again later.'],
  [
    /early EOF|unexpected disconnect|RPC failed|hung up unexpectedly|Empty reply/i,
    'The git server closed the connection.',
    'Try again.',
  ],
  [/File size limit exceeded|out of memory|mmap failed|CPU time limit exceeded/i, 'too large'],
  [/' not allowed/i, 'The protocol of the git URL is not allowed.', 'Use an https URL.'],
];
