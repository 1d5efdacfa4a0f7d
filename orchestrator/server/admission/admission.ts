/**
 * The one place at which it is decided what a request is granted, for every protocol: who calls, how often, and how much of the body is read.
 * Decided from the head alone, and at once: not a byte of the body is asked for before, and nothing is waited for.
 */
import type { Logger } from '#common/log.ts';
import { isLoopbackHost } from '#common/loopback.ts';
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { Doorway } from '#common/waiting/doorway.ts';
import type { Scope } from '../../core/records.ts';
import { type Identity, requireScope, type TokenBook } from '../auth.ts';
import { toProblem } from '../failures.ts';
import type { NodeRequest, NodeResponse } from '../node-http.ts';
import { addressKey, type IsProxy, visitorAddress } from '../port/addresses.ts';
import type { Connection, Connections } from '../port/connections.ts';
import { AtOnce, type AtOnceBounds } from '../rates/at-once.ts';
import { Buckets, type Rate } from '../rates/buckets.ts';
import { BodyBudget, type Hold } from './body-budget.ts';
import { type BodyBounds, type BodyKind, bodyKinds } from './body-kinds.ts';
import { LargeBodies, type LargeBody } from './large-bodies.ts';
import { checkVisit, type VisitorRules } from './visitors.ts';

/** What a call needs of its caller. */
export interface CallTerms {
  /** Any of these kinds of token; undefined for calls that anybody may make. */
  readonly scopes: readonly Scope[] | undefined;
  readonly body: BodyKind;
  /** For monitors, which must get through when nobody else does. */
  readonly isHealthCheck?: true;
}

/** A request whose call is known, with the two things that can happen to it. */
export interface Call extends CallTerms {
  /** Serves it; the body is read within the allowance. */
  handle(allowance: Allowance): Promise<void>;
  /** Answers it in the words of its protocol, without a look at the body. */
  refuse(problem: Problem): Promise<void>;
}

/** Waits until it is this one's turn; undefined when it is. */
export type Turn = () => Promise<void> | undefined;

export interface Allowance {
  /** Set for every call that needs a token. */
  readonly identity: Identity | undefined;
  readonly body: BodyBounds;
  /** For the message that is on its way. */
  readonly hold: Hold;
  /** To be waited for before each look at a message that is not small: few are looked at before others have the event loop. */
  readonly turn: Turn;
  /** Undefined where no message is large, or each is decoded by itself. */
  readonly large: LargeBody | undefined;
}

export interface AdmissionRates {
  /** Requests without a token, of one address; health checks have as many of their own. */
  readonly open: Rate;
  /** Wrong tokens, of one address. */
  readonly failedLogins: Rate;
  /** Requests of one caller. */
  readonly caller: Rate;
  /** Bytes of sources inside requests, of one caller. */
  readonly sourceBytes: Rate;
  /** Calls without a token that are under way, by address. */
  readonly openAtOnce: AtOnceBounds;
  /** Calls that are under way, streams among them, by caller; and of them uploads. */
  readonly atOnce: AtOnceBounds;
  readonly uploadsAtOnce: AtOnceBounds;
}

export interface AdmissionDeps {
  readonly tokens: TokenBook;
  readonly logger: Logger;
  readonly visitors: VisitorRules;
  readonly isProxy: IsProxy;
  readonly rates: AdmissionRates;
  readonly connections: Pick<Connections, 'known' | 'isLate'>;
}

/** A request, as it is before anything is known of it. */
export interface Visitor {
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly connection: Connection;
}

export interface Admission {
  admit(visitor: Visitor, terms: CallTerms): Result<Allowance>;
}

// Each may take a millisecond.
const looksPerTurn = 2;
// A stranger that is refused so often on one connection does not listen.
const refusalsMax = 200;

export function createAdmission(deps: AdmissionDeps): Admission {
  const { tokens, logger, visitors, isProxy, rates, connections } = deps;
  const budget = new BodyBudget();
  const sources = new LargeBodies(rates.sourceBytes);
  const looks = new Doorway(looksPerTurn, (error) => logger.error({ err: error }, 'looking at messages failed'));
  const turn: Turn = () => looks.enter();
  const open = new Buckets(rates.open);
  const failures = new Buckets(rates.failedLogins);
  const callers = new Buckets(rates.caller);
  const openAtOnce = new AtOnce(rates.openAtOnce);
  const atOnce = new AtOnce(rates.atOnce);
  const uploads = new AtOnce(rates.uploadsAtOnce);

  const admitOpen = ({ response }: Visitor, address: string, terms: CallTerms, now: number): Result<Allowance> => {
    const key = addressKey(address);
    const wait = open.take(terms.isHealthCheck ? `health ${key}` : key, 1, now);
    if (wait > 0) return fail(tooOften(manyOpen, wait));
    if (!openAtOnce.begin(key, (ended) => response.once('close', ended))) {
      return fail(tooOften('Too many calls without a token are open.', 1));
    }
    return ok({
      identity: undefined,
      body: bodyKinds[terms.body],
      hold: budget.hold(`open ${key}`),
      turn,
      large: undefined,
    });
  };

  /** Who calls; what is wrong otherwise. A token that can be guessed is of no use where many wrong ones came from. */
  const identify = (request: NodeRequest, address: string, now: number): Result<Identity> => {
    const headers = (name: string) => headerOf(request, name);
    try {
      const identity = tokens.identify(headers);
      const isSafe = !identity.guessable || isLoopbackHost(address);
      const wait = isSafe ? 0 : failures.wait(addressKey(address), 1, now);
      return wait > 0 ? fail(tooOften(manyWrong, wait)) : ok(identity);
    } catch (error) {
      const refused = toProblem(error, logger);
      const isWrong = refused.code === 'UNAUTHENTICATED' && tokens.isSent(headers);
      const wait = (isWrong ? failures : open).take(addressKey(address), 1, now);
      return fail(wait === 0 ? refused : tooOften(isWrong ? manyWrong : manyOpen, wait));
    }
  };

  const admitCaller = (
    { request, response, connection }: Visitor,
    address: string,
    scopes: readonly Scope[],
    body: BodyKind,
    now: number,
  ): Result<Allowance> => {
    const identified = identify(request, address, now);
    if (!identified.ok) return identified;
    const { value: identity } = identified;
    const caller = callerKey(identity);
    if (connections.isLate(connection) && identity.scope === 'client') return fail(noRoom());
    if (!connections.known(connection, caller, now)) return fail(tooOften('You have too many connections open.', 1));
    const wait = callers.take(caller, 1, now);
    if (wait > 0) return fail(tooOften('You send too many requests.', wait));
    const untilAnswered = (ended: () => void) => response.once('close', ended);
    if (body === 'upload' && !uploads.begin(caller, untilAnswered)) {
      return fail(tooOften('Too many uploads are under way.', 1));
    }
    if (!atOnce.begin(caller, untilAnswered)) return fail(tooOften('You have too many calls open.', 1));
    try {
      const large = body === 'source' ? sources.of(caller, response) : undefined;
      const granted = { body: bodyKinds[body], hold: budget.hold(caller), turn, large };
      return ok({ identity: requireScope(identity, ...scopes), ...granted });
    } catch (error) {
      return fail(toProblem(error, logger));
    }
  };

  return {
    admit(visitor, terms) {
      const { request, response, connection } = visitor;
      const { scopes, body } = terms;
      const now = performance.now();
      const address = visitorAddress(connection.address, headerOf(request, 'x-forwarded-for'), isProxy);
      const admitted = (): Result<Allowance> => {
        if (scopes === undefined) {
          if (connections.isLate(connection) && !terms.isHealthCheck) return fail(noRoom());
          return admitOpen(visitor, address, terms, now);
        }
        // Workers call by whatever name leads here, and no browser has their tokens.
        const wrong = scopes.includes('worker') ? undefined : checkVisit(visitOf(request), visitors);
        return wrong === undefined ? admitCaller(visitor, address, scopes, body, now) : fail(wrong);
      };
      const result = admitted();
      if (!result.ok && connection.caller === undefined) {
        connection.refusals += 1;
        // The answer still goes out.
        if (connections.isLate(connection) || connection.refusals >= refusalsMax)
          response.once('close', () => connection.end());
      }
      return result;
    },
  };
}

const manyOpen = 'Too many requests without a token come from this address.';
const manyWrong = 'Too many wrong tokens came from this address.';

function tooOften(message: string, waitSeconds: number): Problem {
  const seconds = Math.max(1, Math.ceil(waitSeconds));
  return problem('RATE_LIMITED', message, { details: { retry_after: seconds } });
}

const noRoom = (): Problem =>
  problem('UNAVAILABLE', 'The server has no connections left for you.', { details: { retry_after: 5 } });

/** What tells callers apart. */
const callerKey = ({ scope, userId, workerId }: Identity): string => `${scope} ${workerId ?? userId}`;

function visitOf(request: NodeRequest): { readonly host: string | undefined; readonly origin: string | undefined } {
  const host = 'authority' in request && request.authority ? request.authority : headerOf(request, 'host');
  return { host, origin: headerOf(request, 'origin') };
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
