/** How much of a request's body is read, and how long it may take, by the kind of call. Every call of every protocol has one of these kinds. */
import { type JsonBounds, jsonBounds } from '#common/json-text.ts';

const kib = 1024;
const mib = 1024 * kib;

export interface BodyBounds {
  /** Of one message, unpacked; of the whole body where that is one message. */
  readonly messageMaxBytes: number;
  /** Of all that is sent, as it is sent; undefined where messages may follow without end. */
  readonly wholeMaxBytes: number | undefined;
  /** Values and levels of a message; undefined for what our own programs say, and for bytes. */
  readonly values: JsonBounds | undefined;
  /** How long nothing may come, and how long all of it may take; undefined where the caller may pause as long as it likes. */
  readonly pace: { readonly idleMs: number; readonly wholeMs: number } | undefined;
}

export type BodyKind = 'open' | 'small' | 'source' | 'upload' | 'jobs' | 'worker';

export const bodyKinds: Readonly<Record<BodyKind, BodyBounds>> = {
  /** Calls that anybody may make: the name of a service at most. */
  open: {
    messageMaxBytes: 4 * kib,
    wholeMaxBytes: 32 * kib,
    values: jsonBounds,
    pace: { idleMs: 10_000, wholeMs: 60_000 },
  },
  /** Calls that carry no source. */
  small: {
    messageMaxBytes: 256 * kib,
    wholeMaxBytes: 257 * kib,
    values: jsonBounds,
    pace: { idleMs: 20_000, wholeMs: 60_000 },
  },
  /** Calls that carry a source. More is sent as an upload. */
  source: {
    messageMaxBytes: 16 * mib,
    wholeMaxBytes: 17 * mib,
    values: jsonBounds,
    pace: { idleMs: 20_000, wholeMs: 600_000 },
  },
  /** A source in pieces; how large it may be is decided where it is stored. */
  upload: {
    messageMaxBytes: 16 * mib,
    wholeMaxBytes: undefined,
    values: undefined,
    pace: { idleMs: 60_000, wholeMs: 3_600_000 },
  },
  /** One job after the other, for as long as the caller likes. */
  jobs: { messageMaxBytes: 256 * kib, wholeMaxBytes: undefined, values: jsonBounds, pace: undefined },
  /** What a worker says in the streams that it keeps open. */
  worker: { messageMaxBytes: 16 * mib, wholeMaxBytes: undefined, values: undefined, pace: undefined },
};
