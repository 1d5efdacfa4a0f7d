/** Which protocol a request for a procedure speaks, and what its headers say of the encoding. Pure. */

export type Protocol = 'grpc' | 'grpc-web' | 'connect' | 'connect-stream';

export interface Wire {
  readonly protocol: Protocol;
  /** Protobuf, or JSON. */
  readonly binary: boolean;
}

const types: readonly (readonly [RegExp, Protocol])[] = [
  [/^application\/grpc-web(?:\+(proto|json))?$/, 'grpc-web'],
  [/^application\/grpc(?:\+(proto|json))?$/, 'grpc'],
  [/^application\/connect\+(proto|json)$/, 'connect-stream'],
  [/^application\/(proto|json)$/, 'connect'],
];

/** By its Content-Type; undefined for any that no protocol has. */
export function wireOf(contentType: string | undefined): Wire | undefined {
  const type = (contentType ?? '').replace(/;.*$/s, '').trim().toLowerCase();
  for (const [pattern, protocol] of types) {
    const match = pattern.exec(type);
    if (match !== null) return { protocol, binary: match[1] !== 'json' };
  }
  return undefined;
}

/** The names of the headers in which each protocol says how messages are compressed. */
export const encodingHeaders: Readonly<Record<Protocol, { readonly sent: string; readonly accepted: string }>> = {
  grpc: { sent: 'grpc-encoding', accepted: 'grpc-accept-encoding' },
  'grpc-web': { sent: 'grpc-encoding', accepted: 'grpc-accept-encoding' },
  'connect-stream': { sent: 'connect-content-encoding', accepted: 'connect-accept-encoding' },
  connect: { sent: 'content-encoding', accepted: 'accept-encoding' },
};

// The limit of Node.js timers; a longer wait has no deadline.
const longestMs = 2 ** 31 - 1;
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** True for a deadline so far away that it can only mean none. */
export function isEndless(name: 'grpc-timeout' | 'connect-timeout-ms', value: string): boolean {
  const [, digits = '', unit = 'm'] = /^(\d{1,10})([HMSmun])?$/.exec(value) ?? [];
  return digits !== '' && Number(digits) * (name === 'grpc-timeout' ? (unitMs[unit] ?? 1) : 1) > longestMs;
}
