/** What the library knows of a call that was let in: who calls, and what may end it. */
import { type ContextValues, createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Identity } from '../auth.ts';

/** Who calls; set for calls that need a token. */
export const identityKey = createContextKey<Identity | undefined>(undefined, { description: 'identity' });
/** The signal of the call, its deadline included. */
export const signalKey = createContextKey<AbortSignal | undefined>(undefined, { description: 'signal' });
/** An error to end the call with at once. */
export const refusalKey = createContextKey<Error | undefined>(undefined, { description: 'refusal' });

/** Runs before a byte of the body is read. Who may call was decided before the library saw the call. */
export function gate({ values, signal }: HandlerContext): void {
  values.set(signalKey, signal);
  const refusal = values.get(refusalKey);
  if (refusal !== undefined) throw refusal;
}

/** The caller of a call that needs a token. */
export function identityOf(values: ContextValues): Identity {
  const identity = values.get(identityKey);
  if (identity === undefined) throw new Error('a call that needs a token bypassed the token check');
  return identity;
}
