/**
 * Who is calling. Tokens are kept and looked up by their sha256 alone, so neither the store nor the time of a look-up
 * tells anything about a token.
 */
import { createHash } from 'node:crypto';
import { refuse } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import type { Scope, TokenRecord } from '../core/records.ts';
import type { Store } from '../store/store.ts';

export interface Identity {
  readonly userId: string;
  readonly scope: Scope;
}

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Tokens that come from the settings; they replace those of an earlier start. */
export interface ConfiguredToken {
  readonly token: Secret;
  readonly userId: string;
  readonly scope: Scope;
  readonly name: string;
}

export class TokenBook {
  readonly #byHash: ReadonlyMap<string, TokenRecord>;

  private constructor(records: readonly TokenRecord[]) {
    this.#byHash = new Map(records.map((record) => [record.tokenSha256, record]));
  }

  /** Stores the configured tokens' hashes and loads all. */
  static async load(store: Store, configured: readonly ConfiguredToken[], now: number): Promise<TokenBook> {
    const records = await store.write((tx) => {
      for (const old of tx.tokens.all()) if (old.source === 'config') tx.tokens.remove(old.tokenSha256);
      for (const { token, userId, scope, name } of configured) {
        tx.tokens.put({ tokenSha256: sha256(token.reveal()), userId, scope, name, source: 'config', createdAt: now });
      }
      return tx.tokens.all();
    });
    return new TokenBook(records);
  }

  /**
   * The caller by its headers: `Authorization: Bearer T`, `X-Avtomatika-Token: T` or, for workers, `X-Worker-Token: T`.
   * Throws UNAUTHENTICATED for none, a garbled, an unknown or two different tokens; the answer is the same for all of them.
   */
  identify(header: (name: string) => string | null | undefined): Identity {
    const tokens = new Set<string>();
    const authorization = header('authorization');
    if (authorization) tokens.add(/^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1] ?? '');
    for (const name of ['x-avtomatika-token', 'x-worker-token']) {
      const value = header(name);
      if (value) tokens.add(value);
    }
    const [token = ''] = tokens;
    const record = tokens.size === 1 ? this.#byHash.get(sha256(token)) : undefined;
    if (record === undefined) {
      refuse('UNAUTHENTICATED', tokens.size === 0 ? 'No token was sent.' : 'The token is not valid.', {
        example: 'export AVTOMATIKA_TOKEN=test-client-token',
      });
    }
    return { userId: record.userId, scope: record.scope };
  }
}

/** Throws PERMISSION_DENIED when the token is of another kind. */
export function requireScope(identity: Identity, scope: Scope): Identity {
  if (identity.scope !== scope) {
    refuse('PERMISSION_DENIED', `This call needs a ${scope} token; this is a ${identity.scope} token.`);
  }
  return identity;
}
