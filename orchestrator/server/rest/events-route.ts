/** GET /events: the events of the caller's bots and jobs or, with an admin token, of workers. */

import type { JsonObject } from '#common/json.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import type { WorkerStatus } from '../../core/records.ts';
import { parseBotId } from '../../core/validate/validate-bot-request.ts';
import { type BotEventsDeps, type BotEventsItem, lastMax, watchBotEvents } from '../../events/bot-events.ts';
import { parseResumePoint, resumePoint } from '../../events/resume-point.ts';
import { botToJson } from '../../views/bot-json.ts';
import { workerStatusToJson } from '../../views/event.ts';
import { requireScope } from '../auth.ts';
import { isGone } from '../is-gone.ts';
import type { CallDeps } from '../rpc/call.ts';
import { type EventFrame, sendEventStream } from './event-stream.ts';
import { headerOf, type Request } from './http.ts';
import type { RouteCall } from './route.ts';

export interface EventsRouteDeps extends CallDeps, BotEventsDeps {
  readonly workerStatuses: () => readonly WorkerStatus[];
}

const example = 'GET /events?bot=my-bot&resume_from=PLACE';
const known = ['bot', 'resume_from', 'last', 'jobs'];

/** Answers for as long as the reader stays. Rejects with ProblemError before anything was sent. */
export async function serveEvents(
  deps: EventsRouteDeps,
  { request, response, query: params, shutdown }: RouteCall,
): Promise<undefined> {
  const identity = deps.tokens.identify(headerOf(request));
  if (identity.scope !== 'admin') requireScope(identity, 'client');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (isGone(response)) return undefined;
  using ends = linkSignals(gone.signal, identity.revoked, shutdown);
  const { signal } = ends;
  const query = readQuery(request, params);
  const frames =
    identity.scope === 'admin' ? workerFrames(deps, query, signal) : botFrames(deps, identity.userId, query, signal);
  // Taken before the head is sent, so that a refusal still has its own status.
  const first = await frames.next();
  await sendEventStream(response, startingWith(first, frames), signal);
  return undefined;
}

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
  signal: AbortSignal,
): AsyncGenerator<EventFrame> {
  const wanted = { userId, botId, resumeFrom, last, includeJobs: jobs, untilNow: false };
  for await (const item of watchBotEvents(deps, wanted, signal)) yield frameOf(item);
}

function frameOf(item: BotEventsItem): EventFrame {
  const id = item.resumeFrom;
  switch (item.kind) {
    case 'event':
      return { id, event: item.event.record.body.kind, data: item.event.json() };
    case 'snapshot': {
      const snapshot: JsonObject = { bots: item.bots.map(botToJson), reason: item.reason };
      return { id, event: 'snapshot', data: JSON.stringify(snapshot) };
    }
    case 'mark':
      return { id };
  }
}

async function* workerFrames(
  { feed, storeId, workerStatuses }: EventsRouteDeps,
  { resumeFrom }: Query,
  signal: AbortSignal,
): AsyncGenerator<EventFrame> {
  const snapshot = (seq: number): EventFrame => {
    const workers = workerStatuses().map(workerStatusToJson);
    return { id: resumePoint(storeId, seq), event: 'snapshot', data: JSON.stringify({ workers }) };
  };
  const from = resumeFrom === '' ? feed.now() : unwrap(parseResumePoint(storeId, resumeFrom));
  if (resumeFrom === '') yield snapshot(feed.now());
  else if (from !== undefined) yield { id: resumePoint(storeId, from) };
  const query = { userId: '', wants: ({ body }: { body: { kind: string } }) => body.kind === 'worker' };
  for await (const item of feed.watch(query, from, signal)) {
    const id = resumePoint(storeId, item.seq);
    if (item.kind === 'event') yield { id, event: 'worker', data: item.event.json() };
    else if (item.kind === 'reset') yield snapshot(item.seq);
    else yield { id };
  }
}

async function* startingWith<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    if (first.done) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}
