/** GET /events: the events of the caller's bots and jobs or, with an admin token, of workers. */

import type { JsonObject } from '#common/json.ts';
import { madeOnce } from '#common/made-once.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import type { Doorway } from '#common/waiting/doorway.ts';
import type { WorkerStatus } from '../../core/records.ts';
import { parseBotId } from '../../core/validate/validate-bot-request.ts';
import { type BotEventsDeps, lastMax, watchBotEvents } from '../../events/bot-events.ts';
import type { BotsSnapshot } from '../../events/bots-snapshots.ts';
import { parseResumePoint, resumePoint } from '../../events/resume-point.ts';
import { botToJson } from '../../views/bot-json.ts';
import { type LiveEvent, workerStatusToJson } from '../../views/event.ts';
import { callerOf } from '../admission/admission.ts';
import { isGone } from '../is-gone.ts';
import type { CallDeps } from '../rpc/call.ts';
import { formatFrame, sendEventStream } from './event-stream.ts';
import { headerOf, type Request } from './http.ts';
import type { RouteCall } from './route.ts';

export interface EventsRouteDeps extends CallDeps, BotEventsDeps {
  readonly workerStatuses: () => Promise<readonly WorkerStatus[]>;
  readonly doorway: Doorway;
}

const example = 'GET /events?bot=my-bot&resume_from=PLACE';
const known = ['bot', 'resume_from', 'last', 'jobs'];

/** Answers for as long as the reader stays. Rejects with ProblemError before anything was sent. */
export function createEventsRoute(deps: EventsRouteDeps) {
  // The same bytes for everybody.
  const ofEvent = madeOnce((event: LiveEvent) =>
    formatFrame({
      id: resumePoint(deps.storeId, event.record.seq),
      event: event.record.body.kind,
      data: event.json(),
    }),
  );
  const ofSnapshot = madeOnce(({ resumeFrom, bots, reason }: BotsSnapshot) => {
    const snapshot: JsonObject = { bots: bots.map(botToJson), reason };
    return formatFrame({ id: resumeFrom, event: 'snapshot', data: JSON.stringify(snapshot) });
  });
  return async ({ request, response, query: params, shutdown, allowance }: RouteCall): Promise<undefined> => {
    const identity = callerOf(allowance);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    await deps.doorway.enter();
    if (isGone(response)) return undefined;
    using ends = linkSignals(gone.signal, identity.revoked, shutdown);
    const { signal } = ends;
    const query = readQuery(request, params);
    const frames =
      identity.scope === 'admin'
        ? workerFrames(deps, query, ofEvent, signal)
        : botFrames(deps, identity.userId, query, { ofEvent, ofSnapshot }, signal);
    try {
      // Taken before the head is sent, so that a refusal still has its own status.
      const first = await frames.next();
      await sendEventStream(response, startingWith(first, frames), signal);
    } finally {
      // Whoever has gone by now did not take any.
      await frames.return(undefined);
    }
    return undefined;
  };
}

type OfEvent = (event: LiveEvent) => Uint8Array;

interface Query {
  readonly botId: string;
  readonly resumeFrom: string;
  readonly last: number;
  readonly jobs: boolean;
}

function readQuery(request: Request, params: URLSearchParams): Query {
  for (const name of params.keys()) {
    if (known.includes(name)) continue;
    const hint = `Known parameters: ${known.join(', ')}.`;
    refuse('MALFORMED_REQUEST', `There is no parameter ${name.slice(0, 64)}.`, { hint, example });
  }
  const bot = params.get('bot') ?? '';
  const last = params.get('last') ?? '0';
  if (!/^\d{1,4}$/.test(last) || Number(last) > lastMax) {
    refuse('INVALID_LINES', `last takes a number from 0 to ${lastMax}.`, { details: { field: 'last' }, example });
  }
  const jobs = params.get('jobs') ?? '1';
  if (jobs !== '0' && jobs !== '1') {
    refuse('MALFORMED_REQUEST', 'jobs is neither 0 nor 1.', {
      details: { field: 'jobs' },
      hint: 'Leave it out for 1.',
      example,
    });
  }
  return {
    botId: bot === '' ? '' : unwrap(parseBotId(bot)),
    // A browser that connects again sends the newer one of the two in the header.
    resumeFrom: headerOf(request)('last-event-id') || (params.get('resume_from') ?? ''),
    last: Number(last),
    jobs: jobs === '1',
  };
}

async function* botFrames(
  deps: EventsRouteDeps,
  userId: string,
  { botId, resumeFrom, last, jobs }: Query,
  { ofEvent, ofSnapshot }: { ofEvent: OfEvent; ofSnapshot: (snapshot: BotsSnapshot) => Uint8Array },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const wanted = { userId, botId, resumeFrom, last, includeJobs: jobs, untilNow: false };
  for await (const item of watchBotEvents(deps, wanted, signal)) {
    switch (item.kind) {
      case 'event':
        yield ofEvent(item.event);
        break;
      case 'snapshot':
        yield ofSnapshot(item);
        break;
      case 'mark':
        yield formatFrame({ id: item.resumeFrom });
        break;
    }
  }
}

async function* workerFrames(
  { feed, storeId, workerStatuses }: EventsRouteDeps,
  { resumeFrom }: Query,
  ofEvent: OfEvent,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const mark = (seq: number) => formatFrame({ id: resumePoint(storeId, seq) });
  const snapshot = async (seq: number) => {
    const workers = (await workerStatuses()).map(workerStatusToJson);
    return formatFrame({ id: resumePoint(storeId, seq), event: 'snapshot', data: JSON.stringify({ workers }) });
  };
  const from = resumeFrom === '' ? await feed.now() : unwrap(parseResumePoint(storeId, resumeFrom));
  if (from !== undefined) yield resumeFrom === '' ? await snapshot(from) : mark(from);
  const query = { userId: '', wants: ({ body }: { body: { kind: string } }) => body.kind === 'worker' };
  for await (const item of feed.watch(query, from, signal)) {
    if (item.kind === 'event') yield ofEvent(item.event);
    else yield item.kind === 'reset' ? await snapshot(item.seq) : mark(item.seq);
  }
}

async function* startingWith<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
