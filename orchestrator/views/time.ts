/** Times for people and programs: RFC 3339 in UTC with milliseconds, and protobuf timestamps. */
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';

export const rfc3339 = (ms: number): string => new Date(ms).toISOString();
export const rfc3339OrNull = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : rfc3339(ms);

/** A field to spread: absent when there is no time. */
export const timestamp = <K extends string>(
  key: K,
  ms: number | null | undefined,
): { [P in K]?: Timestamp } | Record<string, never> =>
  ms === null || ms === undefined ? {} : ({ [key]: timestampFromMs(ms) } as { [P in K]: Timestamp }); // one key, K
