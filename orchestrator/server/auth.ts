/**
 * Who is calling. Tokens are kept and looked up by their sha256 alone, so neither the store nor the time of a look-up
 * reveals anything about a token.
 */
import { createHash, randomBytes } from 'node:crypto';
import { refuse } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import type { Scope, TokenRecord } from '../core/records.ts';
import type { Store } from '../store/store.ts';
import type { WorkerCredentials } from './worker-credentials.ts';

export interface Identity {
  readonly userId: string;
  readonly scope: Scope;
  /** The worker that the credential stands for; undefined for every token, join tokens among them. */
  readonly workerId?: string;
  /** Whether somebody may come upon the token by trying: one that an operator made up. */
  readonly guessable: boolean;
  /** Aborts when the token is revoked: what is open with it must end. */
  readonly revoked: AbortSignal;
}

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Tokens that come from the settings; they replace those of an earlier start. */
export interface ConfiguredToken {
  readonly token: Secret;
  readonly userId: string;
  readonly scope: Scope;
  readonly name: string;
}

interface Entry {
  readonly record: TokenRecord;
  readonly guessable: boolean;
  readonly revoked: AbortController;
}

// 256 bits: far beyond guessing, so a plain sha256 of it is as safe at rest as a slow hash.
const tokenBytes = 32;
// Of an operator's own tokens, those that are as long as scripts/make-tokens.sh makes them are taken for random.
const guessableMaxLength = 31;

export class TokenBook {
  readonly #store: Store;
  readonly #byHash: Map<string, Entry>;
  readonly #workers: WorkerCredentials;

  private constructor(
    store: Store,
    records: readonly TokenRecord[],
    guessable: ReadonlySet<string>,
    workers: WorkerCredentials,
  ) {
    this.#store = store;
    this.#workers = workers;
    this.#byHash = new Map(
      records.map((record) => [record.tokenSha256, entryOf(record, guessable.has(record.tokenSha256))]),
    );
  }

  /** Stores the configured tokens' hashes and loads all. Callers may also come with the credential of a worker. */
  static async load(
    store: Store,
    configured: readonly ConfiguredToken[],
    now: number,
    workers: WorkerCredentials,
  ): Promise<TokenBook> {
    const records = await store.change([], (tx) => {
      for (const old of tx.tokens.all()) if (old.source === 'config') tx.tokens.remove(old.tokenSha256);
      for (const { token, userId, scope, name } of configured) {
        tx.tokens.put({ tokenSha256: sha256(token.reveal()), userId, scope, name, source: 'config', createdAt: now });
      }
      return tx.tokens.all();
    });
    const guessable = configured
      .map(({ token }) => token.reveal())
      .filter(({ length }) => length <= guessableMaxLength);
    return new TokenBook(store, records, new Set(guessable.map(sha256)), workers);
  }

  /**
   * The caller by its headers: `Authorization: Bearer T`, `X-Avtomatika-Token: T` or, for workers, `X-Worker-Token: T`.
   * Throws UNAUTHENTICATED for none, a garbled, an unknown or two different tokens; the answer is the same for all of them.
   */
  identify(header: (name: string) => string | null | undefined): Identity {
    const tokens = tokensIn(header);
    const [token = ''] = tokens;
    const hash = tokens.size === 1 ? sha256(token) : '';
    const worker = this.#workers.find(hash);
    if (worker !== undefined) return { userId: 'worker', scope: 'worker', guessable: false, ...worker };
    const entry = this.#byHash.get(hash);
    if (entry === undefined) {
      refuse('UNAUTHENTICATED', tokens.size === 0 ? 'No token was sent.' : 'The token is not valid.');
    }
    const { userId, scope } = entry.record;
    return { userId, scope, guessable: entry.guessable, revoked: entry.revoked.signal };
  }

  /** Whether there is any token, right or wrong. */
  isSent(header: (name: string) => string | null | undefined): boolean {
    return tokensIn(header).size > 0;
  }

  /** True for the sha256 of a token, of whatever kind. */
  has(tokenSha256: string): boolean {
    return this.#byHash.has(tokenSha256);
  }

  /** All tokens, by user and name. */
  list(): readonly TokenRecord[] {
    const key = ({ userId, name }: TokenRecord) => `${userId} ${name}`;
    return [...this.#byHash.values()].map(({ record }) => record).sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  find(userId: string, name: string): TokenRecord | undefined {
    return this.list().find((record) => record.userId === userId && record.name === name);
  }

  /** Makes a token; its value is known only to the caller from then on. */
  async create(
    userId: string,
    name: string,
    scope: Scope,
    now: number,
  ): Promise<{ record: TokenRecord; value: Secret }> {
    const value = new Secret(`bot_${randomBytes(tokenBytes).toString('base64url')}`);
    const record: TokenRecord = {
      tokenSha256: sha256(value.reveal()),
      userId,
      scope,
      name,
      source: 'admin',
      createdAt: now,
    };
    await this.#store.change([], (tx) => tx.tokens.put(record));
    this.#byHash.set(record.tokenSha256, entryOf(record, false));
    return { record, value };
  }

  /** The token is of no use from now on, here and after a restart. */
  async revoke(record: TokenRecord): Promise<void> {
    await this.#store.change([], (tx) => tx.tokens.remove(record.tokenSha256));
    this.#byHash.get(record.tokenSha256)?.revoked.abort();
    this.#byHash.delete(record.tokenSha256);
  }
}

const entryOf = (record: TokenRecord, guessable: boolean): Entry => ({
  record,
  guessable,
  revoked: new AbortController(),
});

function tokensIn(header: (name: string) => string | null | undefined): ReadonlySet<string> {
  const tokens = new Set<string>();
  const authorization = header('authorization');
  if (authorization) tokens.add(/^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1] ?? '');
  for (const name of ['x-avtomatika-token', 'x-worker-token']) {
    const value = header(name);
    if (value) tokens.add(value);
  }
  return tokens;
}

/** Throws PERMISSION_DENIED when the token is of another kind. */
export function requireScope(identity: Identity, ...scopes: readonly Scope[]): Identity {
  if (!scopes.includes(identity.scope)) {
    const needed = scopes.map(kindOf).join(' or ');
    refuse('PERMISSION_DENIED', `This call needs ${needed} token; this is ${kindOf(identity.scope)} token.`);
  }
  return identity;
}

const kindOf = (scope: Scope): string => (scope === 'admin' ? 'an admin' : `a ${scope}`);

/** Throws PERMISSION_DENIED for the credential of a worker, which joins nobody and does nothing over REST. */
export function requireJoinToken(identity: Identity): Identity {
  if (requireScope(identity, 'worker').workerId !== undefined) {
    refuse('PERMISSION_DENIED', 'This call needs a join token; this is the credential of a worker.');
  }
  return identity;
}

/** The worker that calls. Throws PERMISSION_DENIED for a join token. */
export function requireWorker(identity: Identity): string {
  if (identity.workerId === undefined) {
    refuse('PERMISSION_DENIED', 'This call needs the credential of a worker; this is a join token.', {
      hint: 'Call WorkerService.Join first, and use the credential from then on.',
    });
  }
  return identity.workerId;
}
