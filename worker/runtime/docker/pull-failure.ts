/**
 * What an engine's words about a failed pull mean. By text, because the status differs from engine to engine: a wrong password
 * is 500 for one and 401 for another. Pure.
 */
import { type Problem, problem } from '#common/problem.ts';
import { type Chance, chanceOfPull } from '../../failures/chances.ts';

/** `unreachable`: the registry did not answer, so that an image of an earlier pull may be used. */
export type PullFailure = 'unreachable' | 'auth' | 'absent' | 'platform' | 'disk' | 'other';

// In order: an unreachable host is "not found" too, and a registry that refuses may say "denied" in its words for absent.
const kinds: readonly (readonly [PullFailure, RegExp])[] = [
  ['disk', /no space left on device|disk quota exceeded/i],
  [
    'unreachable',
    /no such host|connection refused|connection reset|timeout|timed out|deadline exceeded|unreachable|no route to host|server misbehaving|proxyconnect|\bEOF\b|x509|tls:|server gave HTTP response|50[0234] (?:Internal|Bad|Service|Gateway)|toomanyrequests|too many requests/i,
  ],
  ['platform', /no matching manifest|no match for platform|unsupported media type|schema ?(?:version )?1/i],
  ['absent', /repository does not exist|manifest unknown|name unknown|not found|no such image/i],
  ['auth', /unauthorized|no basic auth credentials|authentication required|incorrect username|denied|forbidden/i],
];

export const pullFailureKind = (words: string): PullFailure =>
  kinds.find(([, words_]) => words_.test(words))?.[0] ?? 'other';

/** Whether it is worth asking again. An answer of the registry is final, whatever else its words hold. */
export function pullChance(words: string): Chance {
  const kind = pullFailureKind(words);
  return kind === 'auth' || kind === 'absent' || kind === 'platform' ? 'final' : chanceOfPull(words);
}

export function pullProblem(kind: PullFailure, reference: string, hasCredentials: boolean): Problem {
  switch (kind) {
    case 'auth':
      return hasCredentials
        ? problem('REGISTRY_AUTH_FAILED', `The registry refused the credentials for ${reference}.`)
        : problem('REGISTRY_AUTH_FAILED', `The registry requires credentials for ${reference}.`, {
            hint: 'Give "registry_auth".',
          });
    case 'absent':
      return problem('IMAGE_NOT_FOUND', `The registry has no image ${reference}.`, {
        hint: hasCredentials
          ? 'Check the name and the tag of the image.'
          : 'Check the name and the tag of the image; a private one needs "registry_auth".',
      });
    case 'platform':
      return problem('IMAGE_PULL_FAILED', `The image ${reference} is not built for the worker's platform.`, {
        hint: 'Build it for the platform of the worker, for example with: docker buildx build --platform linux/amd64',
      });
    case 'disk':
      return problem('IMAGE_PULL_FAILED', 'The disk of the worker is full.', {
        hint: 'The operator has to free space on the worker.',
      });
    case 'unreachable':
      return problem('IMAGE_PULL_FAILED', `The registry of ${reference} could not be reached.`);
    case 'other':
      return problem('IMAGE_PULL_FAILED', `The image ${reference} could not be pulled.`, {
        hint: "The worker's log has the details.",
      });
  }
}
