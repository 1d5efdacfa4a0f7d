/** Who may call what, decided from the headers before a byte of the body is read. */
import { type ContextValues, createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Logger } from '#common/log.ts';
import type { Scope } from '../../core/records.ts';
import { type Identity, requireScope, type TokenBook } from '../auth.ts';
import { toProblem } from '../failures.ts';
import { toConnectError } from './connect-error.ts';

/** Who calls; set for calls that need a token. */
export const identityKey = createContextKey<Identity | undefined>(undefined, { description: 'identity' });
/** The signal of the call, its deadline included. */
export const signalKey = createContextKey<AbortSignal | undefined>(undefined, { description: 'signal' });
/** An error to end the call with at once. */
export const refusalKey = createContextKey<Error | undefined>(undefined, { description: 'refusal' });

export interface AccessDeps {
  readonly tokens: TokenBook;
  readonly logger: Logger;
}

/** `scopeOf`: the scope that a service needs; undefined for one that is open to everybody. */
export function createGate({ tokens, logger }: AccessDeps, scopeOf: (typeName: string) => Scope | undefined) {
  return ({ values, signal, service, requestHeader }: HandlerContext): void => {
    values.set(signalKey, signal);
    const refusal = values.get(refusalKey);
    if (refusal !== undefined) throw refusal;
    const scope = scopeOf(service.typeName);
    if (scope === undefined) return;
    try {
      const identity = requireScope(
        tokens.identify((name) => requestHeader.get(name)),
        scope,
      );
      values.set(identityKey, identity);
    } catch (error) {
      throw toConnectError(toProblem(error, logger));
    }
  };
}

/** The caller of a call that the gate has let through. */
export function identityOf(values: ContextValues): Identity {
  const identity = values.get(identityKey);
  if (identity === undefined) throw new Error('a call that needs a token bypassed the token check');
  return identity;
}
