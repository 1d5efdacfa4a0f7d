/** What is known of a storm when it is over: all that the checker looks at. Times are CLOCK_MONOTONIC, in ms. */
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import type { DiaryLine } from './diary.ts';
import type { PlannedBot, PlannedRequest } from './plan.ts';

export interface RequestRecord {
  readonly planned: Pick<PlannedRequest, 'user' | 'bot' | 'action' | 'version' | 'behaviour' | 'takeover'>;
  /** Its Idempotency-Key. */
  readonly key: string;
  /** When it was sent first. */
  readonly sentAt: number;
  /** How often it was sent before it had an answer; the last time counts. */
  sends: number;
  answer:
    | { readonly kind: 'accepted'; readonly at: number; readonly jobId: string }
    | { readonly kind: 'refused'; readonly at: number; readonly status: number; readonly code: string }
    | { readonly kind: 'none' };
  /** Other jobs that the same key was answered with. */
  readonly otherJobs: string[];
  /** The job when it was seen final first; undefined while it is open. */
  job: { readonly at: number; readonly body: JsonBody } | undefined;
  /** The orchestrator, in good health, said that there is no such job. */
  jobGone: boolean;
}

export interface EventSeen {
  /** The event name of the stream's frame: `bot`, `job`, `snapshot`. */
  readonly kind: string;
  readonly data: JsonBody;
}

export interface StormRecord {
  readonly bots: readonly PlannedBot[];
  readonly diary: readonly DiaryLine[];
  readonly requests: readonly RequestRecord[];
  /** By user, in the order in which they came. */
  readonly events: ReadonlyMap<string, readonly EventSeen[]>;
  /** What `list` says of each user's bots at the end, when all is quiet. */
  readonly listed: ReadonlyMap<string, readonly JsonBody[]>;
  /** The newest event of each bot that NATS brought, by `user/bot`; undefined where there was no NATS. */
  readonly heard: ReadonlyMap<string, JsonBody> | undefined;
  /** When `listed` had been answered; the diary continues for some seconds more. */
  readonly endedAt: number;
  /** What was found that nobody needs any more, after all bots were deleted. */
  readonly leftovers: readonly string[];
  /** Programs that ended without anybody having ended them, or that did not come back. */
  readonly deaths: readonly string[];
}

export interface Finding {
  readonly rule:
    | 'lost'
    | 'doubled'
    | 'overlap'
    | 'revived'
    | 'stale version'
    | 'event order'
    | 'event hole'
    | 'event truth'
    | 'wanted state'
    | 'left behind'
    | 'death';
  readonly text: string;
}

export const botKey = ({ user, bot }: { readonly user: string; readonly bot: string }): string => `${user}/${bot}`;
