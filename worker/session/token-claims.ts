/** Asks the orchestrator whether a bot may run with the Telegram tokens in its source. */
import type { ServiceError } from '@grpc/grpc-js';
import type { Problem } from '#common/problem.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { TransientError } from '#common/waiting/transient.ts';
import type { TokenClaims } from '../diagnosis/source-tokens.ts';
import { type Channel, refusalOf, status } from './channel.ts';

/** `channel`: the way to the orchestrator; undefined while there is no session. */
export const createTokenClaims = (channel: () => Channel | undefined): TokenClaims => ({
  async claim({ key, epoch, revision, tokenSha256s }, built, signal) {
    const way = channel();
    if (!way) throw new TransientError('the orchestrator is not connected');
    try {
      const request = { ...key, epoch, revision, tokenSha256: [...tokenSha256s], built };
      return (await way.claimTokens(request)).pending ? 'pending' : 'granted';
    } catch (error) {
      signal.throwIfAborted();
      const refused = error as ServiceError; // what a call of grpc-js rejects with
      // An orchestrator of a release that judges no sources.
      if (refused.code === status.UNIMPLEMENTED) return 'granted';
      if (refused.code === status.ALREADY_EXISTS) throw new ProblemError(inUse(refused), { cause: error });
      throw new TransientError('the orchestrator could not be asked about the Telegram token in the source', {
        cause: error,
      });
    }
  },
});

function inUse(error: ServiceError): Problem {
  const { message, hint } = refusalOf(error);
  return problem('TOKEN_IN_USE', message, { hint });
}
