/** Times as people type them: how long ago, or RFC 3339. Pure. */
import { create } from '@bufbuild/protobuf';
import { type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { fail, ok, problem, type Result } from '#common/problem.ts';

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const duration = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/;
// https://www.rfc-editor.org/rfc/rfc3339#section-5.6; nine digits are what a Timestamp holds.
const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** `10m` and `1h30m` mean so long before `nowMs`. Refuses with INVALID_TIME; `option` is what was typed before it. */
export function parseLogTime(option: string, text: string, nowMs: number): Result<Timestamp> {
  const time = duration.test(text) ? ago(text, nowMs) : parseRfc3339(text);
  if (time !== undefined) return ok(time);
  return fail(
    problem(
      'INVALID_TIME',
      `${option} takes how long ago, such as 10m or 1h30m, or a time such as 2026-11-22T15:00:00Z.`,
      { hint: `For example: avtomatika-bot logs my-bot ${option} 10m` },
    ),
  );
}

/** How long ago `10m` or `1h30m` is, ms; undefined for a time. It needs no clock of this machine. */
export const parseAgoMs = (text: string): number | undefined => (duration.test(text) ? sumOf(text) : undefined);

function sumOf(text: string): number {
  let ms = 0;
  for (const [, amount, unit = ''] of text.matchAll(/(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)/g)) {
    ms += Math.round(Number(amount) * (unitMs[unit] ?? Number.NaN));
  }
  return ms;
}

function ago(text: string, nowMs: number): Timestamp | undefined {
  const ms = Math.round(nowMs) - sumOf(text);
  return timestampOf(Math.floor(ms / 1000), (((ms % 1000) + 1000) % 1000) * 1_000_000);
}

function parseRfc3339(text: string): Timestamp | undefined {
  const [, date = '', time = '', fraction = '', zone = ''] = rfc3339.exec(text) ?? [];
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  // Date.parse takes 30 February for 1 March.
  const isReal = new Date(`${date}T00:00:00Z`).toJSON()?.startsWith(date) === true && date !== '';
  return isReal && Number.isFinite(ms) ? timestampOf(ms / 1000, Number(fraction.padEnd(9, '0'))) : undefined;
}

// Years 1 to 9999, as in Timestamp.
const timestampOf = (seconds: number, nanos: number): Timestamp | undefined =>
  seconds >= -62_135_596_800 && seconds <= 253_402_300_799
    ? create(TimestampSchema, { seconds: BigInt(seconds), nanos })
    : undefined;
