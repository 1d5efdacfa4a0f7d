/** Calls that are refused because too much came at once: they are made again when the orchestrator says. */
import type { DescService } from '@bufbuild/protobuf';
import type { Client as ConnectClient } from '@connectrpc/connect';
import { type Clock, sleep } from '#common/clock.ts';
import { problemFromProto } from '#common/problem-proto.ts';
import { detailOf } from '../wire/refusals.ts';
import type { Client } from './client.ts';

export interface PatienceContext {
  readonly clock: Clock;
  /** In [0, 1): those that were refused together do not come back together. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Called before each wait. */
  readonly onWait: (seconds: number) => void;
}

/** In all, for one call. */
const waitMaxMs = 60_000;
const usualSeconds = 1;

/** RATE_LIMITED is said before anything is done, so that any call may be made again. Throws the last refusal, or the signal's reason. */
async function patiently<T>(call: () => Promise<T>, { clock, random, signal, onWait }: PatienceContext): Promise<T> {
  for (let waitedMs = 0; ; ) {
    try {
      return await call();
    } catch (error) {
      const seconds = retryAfterOf(error);
      const pauseMs = seconds === undefined ? waitMaxMs : seconds * 1000 * (1 + random() / 2);
      if (seconds === undefined || waitedMs + pauseMs > waitMaxMs) throw error;
      onWait(seconds);
      await sleep(clock, pauseMs, signal);
      waitedMs += pauseMs;
    }
  }
}

/** After how many seconds a call may be made again that was refused as too much; undefined for anything else. */
function retryAfterOf(error: unknown): number | undefined {
  const detail = detailOf(error);
  if (detail?.code !== 'RATE_LIMITED') return undefined;
  const seconds = Number(problemFromProto(detail).details['retry_after'] ?? usualSeconds);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : usualSeconds;
}

/** The client, whose calls with one request and one answer are patient. */
export function patientClient(client: Client, context: PatienceContext): Client {
  return {
    ...client,
    patiently: (call) => patiently(call, context),
    for: (service) => patientCalls(service, client.for(service), context),
  };
}

function patientCalls<S extends DescService>(
  service: S,
  calls: ConnectClient<S>,
  context: PatienceContext,
): ConnectClient<S> {
  const patient: Record<string, unknown> = { ...calls };
  for (const { localName, methodKind } of service.methods) {
    const call: unknown = patient[localName];
    if (methodKind !== 'unary' || typeof call !== 'function') continue;
    patient[localName] = (...args: readonly unknown[]) => patiently(() => call(...args), context);
  }
  return patient as ConnectClient<S>; // the same calls with the same arguments
}
