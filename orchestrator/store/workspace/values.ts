/** Small tables in memory: Idempotency-Keys, access tokens, openings of the store, single values, and the clock's among these. */
import type { AgeMark } from '#common/age-clock.ts';
import type { ClockMark } from '#common/clock-steps.ts';
import type { TokenRecord } from '../../core/records.ts';
import type { ClockTable, IdempotencyTable, MetaTable, OpeningTable, TokenTable } from '../tables.ts';
import type { Loading } from './loading.ts';
import { Rows } from './rows.ts';
import type { Undo } from './undo.ts';

export interface IdempotencyRow {
  readonly userId: string;
  readonly key: string;
  readonly bodySha256: string;
  readonly jobId: string;
  readonly createdAt: number;
}

export interface OpeningRow {
  /** Counts up; also its key. */
  readonly n: number;
  readonly id: string;
  readonly fromSeq: number;
  readonly at: number;
}

export interface MetaRow {
  readonly name: string;
  readonly value: string;
}

const openingsKept = 10_000;

export const idempotencyKey = ({ userId, key }: Pick<IdempotencyRow, 'userId' | 'key'>): string => `${userId} ${key}`;
const byAge = (a: TokenRecord, b: TokenRecord): number =>
  a.createdAt - b.createdAt || (a.tokenSha256 < b.tokenSha256 ? -1 : 1);

export function createValues(undo: Undo, loading: Loading, lastSeq: () => number) {
  const idempotency = new Rows<IdempotencyRow>({ name: 'idempotency', undo, loading });
  const tokens = new Rows<TokenRecord>({ name: 'tokens', undo, loading });
  const openings = new Rows<OpeningRow>({ name: 'openings', undo, loading });
  const meta = new Rows<MetaRow>({ name: 'meta', undo, loading });
  const idempotencyTable: IdempotencyTable = {
    get: (userId, key) => idempotency.get(idempotencyKey({ userId, key })),
    put: (userId, key, bodySha256, jobId, createdAt) => {
      const row = { userId, key, bodySha256, jobId, createdAt };
      if (idempotency.get(idempotencyKey(row)) !== undefined) throw new Error('an Idempotency-Key is used twice');
      idempotency.put(idempotencyKey(row), row);
    },
  };
  const tokenTable: TokenTable = {
    all: () => [...tokens.values()].sort(byAge),
    put: (token) => tokens.put(token.tokenSha256, token),
    remove: (tokenSha256) => tokens.remove(tokenSha256),
  };
  const inOrder = () => [...openings.values()].sort((a, b) => a.n - b.n);
  const openingTable: OpeningTable = {
    all: () => inOrder().map(({ id, fromSeq }, index, rows) => ({ id, fromSeq, after: rows[index - 1]?.id ?? '' })),
    add: (id, at) => {
      const rows = inOrder();
      const n = (rows.at(-1)?.n ?? 0) + 1;
      openings.put(String(n), { n, id, fromSeq: lastSeq(), at });
      for (const old of rows) if (old.n <= n - openingsKept) openings.remove(String(old.n));
    },
  };
  const metaTable: MetaTable = {
    get: (name) => meta.get(name)?.value,
    put: (name, value) => meta.put(name, { name, value }),
  };
  const parsed = <T>(name: string): T | undefined => {
    const value = metaTable.get(name);
    return value === undefined ? undefined : readable<T>(value);
  };
  const clockTable: ClockTable = {
    mark: () => parsed<ClockMark>('clock_mark'),
    setMark: (mark) => metaTable.put('clock_mark', JSON.stringify(mark)),
    ageMark: () => parsed<AgeMark>('clock_age_mark'),
    setAgeMark: (mark) => metaTable.put('clock_age_mark', JSON.stringify(mark)),
  };
  return {
    rows: { idempotency, tokens, openings, meta },
    tables: {
      idempotency: idempotencyTable,
      tokens: tokenTable,
      openings: openingTable,
      meta: metaTable,
      clock: clockTable,
    },
  };
}

/** What this program wrote itself; undefined for what a failing disk or a strange hand has made of it. */
function readable<T>(text: string): T | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as T) : undefined; // as it was written
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
