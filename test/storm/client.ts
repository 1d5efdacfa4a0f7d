/** Requests of a storm's users and of its operator, over REST and Connect. */
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';

/** CLOCK_MONOTONIC in ms, the clock of the diaries. */
export const nowMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

export interface Answer {
  readonly status: number;
  readonly body: JsonBody;
}

const patienceMs = 15_000;

/** Rejects when there is no answer. */
export async function ask(
  url: string,
  token: string,
  path: string,
  options: { readonly body?: object; readonly key?: string; readonly signal?: AbortSignal } = {},
): Promise<Answer> {
  const { body, key, signal } = options;
  const limit = AbortSignal.timeout(patienceMs);
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
  });
  return { status: response.status, body: await response.json() };
}

export const adminToken = 'test-admin-token';

/** A call of AdminService; of a stream, until it has ended. Rejects when it is refused or there is no answer. */
export async function callAdmin(url: string, method: string, message: object, signal?: AbortSignal): Promise<JsonBody> {
  const isStream = method === 'DrainWorker';
  const json = Buffer.from(JSON.stringify(message));
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(json.length, 1);
  const response = await fetch(`${url}/botrunner.v1.AdminService/${method}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${adminToken}`,
      'content-type': isStream ? 'application/connect+json' : 'application/json',
      'connect-protocol-version': '1',
    },
    body: isStream ? Buffer.concat([frame, json]) : json,
    signal: signal ?? AbortSignal.timeout(patienceMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} was refused with ${response.status}: ${text}`);
  return isStream ? text : JSON.parse(text);
}
