/**
 * The one place at which it is decided what a request is granted, for every protocol: who calls, and how much of the body is read. Decided
 * from the head alone, and at once: not a byte of the body is asked for before, and nothing is waited for.
 */

import type { Logger } from '#common/log.ts';
import { fail, ok, type Problem, type Result } from '#common/problem.ts';
import type { Scope } from '../../core/records.ts';
import { type Identity, requireScope, type TokenBook } from '../auth.ts';
import { toProblem } from '../failures.ts';
import type { NodeRequest } from '../node-http.ts';
import { BodyBudget, type Hold } from './body-budget.ts';
import { type BodyBounds, type BodyKind, bodyKinds } from './body-kinds.ts';

/** What a call needs of its caller. */
export interface CallTerms {
  /** Any of these kinds of token; undefined for calls that anybody may make. */
  readonly scopes: readonly Scope[] | undefined;
  readonly body: BodyKind;
}

/** A request whose call is known, with the two things that can happen to it. */
export interface Call extends CallTerms {
  /** Serves it; the body is read within the allowance. */
  handle(allowance: Allowance): Promise<void>;
  /** Answers it in the words of its protocol, without a look at the body. */
  refuse(problem: Problem): Promise<void>;
}

export interface Allowance {
  /** Set for every call that needs a token. */
  readonly identity: Identity | undefined;
  readonly body: BodyBounds;
  /** For the message that is on its way. */
  readonly hold: Hold;
}

export interface AdmissionDeps {
  readonly tokens: TokenBook;
  readonly logger: Logger;
}

export interface Admission {
  admit(request: NodeRequest, terms: CallTerms): Result<Allowance>;
}

export function createAdmission({ tokens, logger }: AdmissionDeps): Admission {
  const budget = new BodyBudget();
  return {
    admit(request, { scopes, body }) {
      if (scopes === undefined) {
        return ok({ identity: undefined, body: bodyKinds[body], hold: budget.hold('') });
      }
      try {
        const identity = requireScope(
          tokens.identify((name) => headerOf(request, name)),
          ...scopes,
        );
        const hold = budget.hold(identity.workerId ?? `${identity.scope} ${identity.userId}`);
        return ok({ identity, body: bodyKinds[body], hold });
      } catch (error) {
        return fail(toProblem(error, logger));
      }
    },
  };
}

const headerOf = ({ headers }: NodeRequest, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
};

/** The caller of a call that needs a token. */
export function callerOf({ identity }: Allowance): Identity {
  if (identity === undefined) throw new Error('a call that needs a token bypassed the token check');
  return identity;
}
