/** The checker of storms on records that are made up: a good one, and one for each way in which a storm can go wrong. */
import { describe, expect, it } from 'vitest';
import { checkStorm } from './checker.ts';
import { type DiaryLine, parseDiaryLine } from './diary.ts';
import { beatMs } from './diary-bot.ts';
import type { Behaviour, PlannedRequest } from './plan.ts';
import type { EventSeen, Finding, RequestRecord, StormRecord } from './record.ts';

const endedAt = 100_000;
/** When a bot that lives on writes last: after the end of the storm. */
const after = endedAt + 1_000;

/** What an instance writes from `first` to `last`. */
function life(instance: string, first: number, last: number, facts: Partial<DiaryLine> = {}): readonly DiaryLine[] {
  const line = { user: 'ann', bot: 'b0', version: 1, token: undefined, ...facts, instance };
  const beats = Array.from({ length: Math.floor((last - first) / beatMs) }, (_, n) => first + (n + 1) * beatMs);
  return [{ ...line, at: first, kind: 'start' }, ...beats.map((at): DiaryLine => ({ ...line, at, kind: 'beat' }))];
}

interface Asked {
  readonly jobId: string;
  readonly action: PlannedRequest['action'];
  readonly sentAt: number;
  readonly doneAt?: number;
  readonly version?: number;
  readonly bot?: string;
  readonly status?: string;
  readonly result?: object;
}

function asked({
  jobId,
  action,
  sentAt,
  doneAt,
  version,
  bot = 'b0',
  status = 'completed',
  result = {},
}: Asked): RequestRecord {
  const behaviour: Behaviour = 'steady';
  return {
    planned: { user: 'ann', bot, action, version, behaviour, takeover: false },
    key: `key of ${jobId}`,
    sentAt,
    sends: 1,
    answer: { kind: 'accepted', at: sentAt + 10, jobId },
    otherJobs: [],
    job: doneAt === undefined ? undefined : { at: doneAt, body: { job_id: jobId, status, data: { result } } },
    jobGone: false,
  };
}

const botEvent = (seq: number, botSeq: number, status: string, more: object = {}): EventSeen => ({
  kind: 'bot',
  data: { seq, bot_seq: botSeq, bot_id: 'b0', user_id: 'ann', bot: { bot_id: 'b0', status }, ...more },
});
const jobEvent = (seq: number, jobId: string, action: string): EventSeen => ({
  kind: 'job',
  data: { seq, job: { job_id: jobId, action, state: 'completed' } },
});

/** One bot, started, updated, and running at the end. */
const good: StormRecord = {
  bots: [{ user: 'ann', bot: 'b0', mode: 'simple', spot: undefined, token: undefined }],
  diary: [...life('one', 2_000, 50_000), ...life('two', 51_000, after, { version: 2 })],
  requests: [
    asked({ jobId: 'j1', action: 'start', version: 1, sentAt: 1_000, doneAt: 4_000 }),
    asked({ jobId: 'j2', action: 'update', version: 2, sentAt: 49_000, doneAt: 54_000 }),
  ],
  events: new Map([
    [
      'ann',
      [
        { kind: 'snapshot', data: { bots: [] } },
        botEvent(3, 1, 'pending'),
        jobEvent(4, 'j1', 'start'),
        botEvent(7, 2, 'running'),
      ],
    ],
  ]),
  listed: new Map([['ann', [{ bot_id: 'b0', status: 'running' }]]]),
  heard: new Map([['ann/b0', { seq: 7, bot: { status: 'running' } }]]),
  endedAt,
  leftovers: [],
  deaths: [],
};

/** The same bot, stopped in the middle. */
const stopped = {
  ...good,
  diary: life('one', 2_000, 30_000),
  requests: [
    ...good.requests.slice(0, 1),
    asked({ jobId: 'j3', action: 'stop', sentAt: 29_000, doneAt: 31_000, result: { status: 'stopped' } }),
  ],
  events: new Map([['ann', [botEvent(3, 1, 'running'), botEvent(5, 2, 'stopped')]]]),
  listed: new Map([['ann', [{ bot_id: 'b0', status: 'stopped' }]]]),
  heard: undefined,
} satisfies StormRecord;

const events = (...seen: readonly EventSeen[]) => ({ events: new Map([['ann', seen]]) });
const [first, second] = good.requests;
if (first === undefined || second === undefined) throw new Error('the good record has two requests');

/** Sent twice, refused the second time; and a job all the same. */
const lateCopy = (sends: number): StormRecord => {
  const refused = { ...asked({ jobId: 'none', action: 'start', sentAt: 60_000 }), sends };
  refused.answer = { kind: 'refused', at: 60_100, status: 429, code: 'QUOTA_EXCEEDED' };
  const late = { kind: 'job', data: { seq: 4, bot_id: 'b0', job: { job_id: 'j8', action: 'start', state: 'failed' } } };
  return {
    ...good,
    requests: [...good.requests, refused],
    ...events(botEvent(3, 1, 'pending'), late, botEvent(7, 2, 'running')),
  };
};

it('blames nobody for a request whose first copy came late, after the second one was refused', () => {
  expect(checkStorm(lateCopy(2))).toEqual([]);
  expect(checkStorm(lateCopy(1))).toMatchObject([{ rule: 'doubled' }]);
});

describe('the checker', () => {
  it('finds nothing in a storm that went well', () => {
    expect(checkStorm(good)).toEqual([]);
    expect(checkStorm(stopped)).toEqual([]);
  });

  it.each<[string, Finding['rule'], RegExp, StormRecord]>([
    [
      'a request without an answer',
      'lost',
      /never got an answer/,
      { ...good, requests: [first, { ...second, answer: { kind: 'none' } }] },
    ],
    [
      'a job that is gone',
      'lost',
      /j2 is not known any more/,
      { ...good, requests: [first, { ...second, jobGone: true }] },
    ],
    ['a job that never ends', 'lost', /j2 never ends/, { ...good, requests: [first, { ...second, job: undefined }] }],
    [
      'a key with two jobs',
      'doubled',
      /job j2, and .* job j9 too/,
      { ...good, requests: [first, { ...second, otherJobs: ['j9'] }] },
    ],
    [
      'a start that nobody asked for',
      'doubled',
      /j8/,
      { ...good, ...events(botEvent(3, 1, 'pending'), jobEvent(4, 'j8', 'start'), botEvent(7, 2, 'running')) },
    ],
    [
      'two instances of a bot at once',
      'overlap',
      /bot ann\/b0: .*one.* and .*two.* ran at once for 500 ms/,
      { ...good, diary: [...life('one', 2_000, 51_500), ...life('two', 51_000, after, { version: 2 })] },
    ],
    [
      'an instance within the life of another, behind a shorter one',
      'overlap',
      /three/,
      { ...good, diary: [...good.diary, ...life('three', 80_000, 80_300, { version: 2 })] },
    ],
    [
      'two bots with one token at once',
      'overlap',
      /token 5/,
      {
        ...good,
        diary: [
          ...life('one', 2_000, 50_000, { token: 5 }),
          ...life('two', 51_000, after, { version: 2 }),
          ...life('other', 40_000, 45_000, { bot: 'b1', token: 5 }),
        ],
      },
    ],
    ['a beat after the stop was done', 'revived', /one/, { ...stopped, diary: life('one', 2_000, 32_000) }],
    [
      'an instance that begins after the stop was done',
      'revived',
      /again/,
      { ...stopped, diary: [...stopped.diary, ...life('again', 60_000, 61_000)] },
    ],
    [
      'an older version that is started after a newer one',
      'stale version',
      /version 1 \(old\) was started after version 2/,
      {
        ...good,
        diary: [
          ...life('one', 2_000, 50_000),
          ...life('two', 51_000, 60_000, { version: 2 }),
          ...life('old', 61_000, 62_000),
          ...life('three', 63_000, after, { version: 2 }),
        ],
      },
    ],
    [
      'an event that is missing',
      'event hole',
      /number 3 of b0, after number 1/,
      { ...good, ...events(botEvent(3, 1, 'pending'), botEvent(7, 3, 'running')) },
    ],
    [
      'an event that came twice',
      'event order',
      /event 7/,
      { ...good, ...events(botEvent(3, 1, 'pending'), botEvent(7, 2, 'running'), botEvent(7, 2, 'running')) },
    ],
    [
      'events in the wrong order',
      'event order',
      /event 3/,
      { ...good, ...events(botEvent(7, 2, 'running'), botEvent(3, 1, 'pending'), botEvent(8, 3, 'running')) },
    ],
    [
      'a stream that began anew',
      'event hole',
      /began anew: gone/,
      {
        ...good,
        ...events(
          botEvent(3, 1, 'pending'),
          { kind: 'snapshot', data: { reason: 'gone', bots: [] } },
          botEvent(7, 2, 'running'),
        ),
      },
    ],
    [
      'a last event that is not true',
      'event truth',
      /its last event says pending/,
      { ...good, ...events(botEvent(3, 1, 'pending')) },
    ],
    [
      'NATS with an old state',
      'event truth',
      /NATS has last brought pending/,
      { ...good, heard: new Map([['ann/b0', { bot: { status: 'pending' } }]]) },
    ],
    ['a running bot without a diary', 'wanted state', /keeps no diary/, { ...good, diary: life('one', 2_000, 50_000) }],
    [
      'a stopped bot that keeps a diary',
      'wanted state',
      /is stopped, and keeps a diary/,
      { ...stopped, diary: life('one', 2_000, after) },
    ],
    [
      'a bot that runs although it was stopped last',
      'wanted state',
      /should be stopped, and is running/,
      { ...stopped, listed: good.listed },
    ],
    [
      'a bot that is gone although it was started last',
      'wanted state',
      /should be up, and is gone/,
      { ...good, listed: new Map([['ann', []]]), diary: life('one', 2_000, 50_000) },
    ],
    [
      'a bot of an older version than it should be',
      'wanted state',
      /should be version 2, and is version 1/,
      { ...good, diary: life('one', 2_000, after) },
    ],
    [
      'a bot whose state never became known again',
      'wanted state',
      /still unknown/,
      { ...good, listed: new Map([['ann', [{ bot_id: 'b0', status: 'unknown' }]]]) },
    ],
    ['something left behind', 'left behind', /volume bot_data_x/, { ...good, leftovers: ['volume bot_data_x'] }],
    [
      'a program that ended by itself',
      'death',
      /worker-1/,
      { ...good, deaths: ['worker-1 ended by itself with code 1'] },
    ],
  ])('finds %s', (_what, rule, text, record) => {
    const found = checkStorm(record);
    expect(found).toContainEqual({ rule, text: expect.stringMatching(text) });
  });

  it('takes a bot that has just ended for no liar', () => {
    const exited = { ...good, diary: life('two', 51_000, endedAt - 1, { version: 2 }), heard: undefined };
    const seen = events(botEvent(3, 1, 'running'), botEvent(5, 2, 'exited'));
    expect(
      checkStorm({ ...exited, ...seen, listed: new Map([['ann', [{ bot_id: 'b0', status: 'exited' }]]]) }),
    ).toEqual([]);
  });

  it('takes a bot that ends at the moment another begins for no overlap', () => {
    const diary = [...life('one', 2_000, 51_000), ...life('two', 51_000, after, { version: 2 })];
    expect(checkStorm({ ...good, diary })).toEqual([]);
  });

  it('takes nothing for a revival that somebody asked for, or that its worker has yet to stop', () => {
    const again = asked({ jobId: 'j4', action: 'restart', sentAt: 30_500, doneAt: 34_000 });
    const revived = {
      ...stopped,
      diary: [...stopped.diary, ...life('again', 31_500, after)],
      requests: [...stopped.requests, again],
    };
    expect(checkStorm(revived).filter(({ rule }) => rule === 'revived')).toEqual([]);
    const pending = asked({
      jobId: 'j3',
      action: 'stop',
      sentAt: 29_000,
      doneAt: 29_500,
      result: { status: 'pending_on_worker' },
    });
    const left = { ...stopped, requests: [first, pending] };
    expect(checkStorm(left).filter(({ rule }) => rule === 'revived')).toEqual([]);
  });

  it('begins the numbers of a bot again after its last event', () => {
    const seen = [botEvent(3, 1, 'running'), botEvent(5, 2, 'stopped', { deleted: true }), botEvent(7, 1, 'running')];
    expect(checkStorm({ ...good, ...events(...seen) })).toEqual([]);
  });
});

describe('a line of a diary', () => {
  it('is read whole or not at all', () => {
    const line =
      '{"at": 5.5, "kind": "beat", "user": "ann", "bot": "b0", "version": 3, "token": null, "instance": "x"}';
    expect(parseDiaryLine(line)).toEqual({
      at: 5.5,
      kind: 'beat',
      user: 'ann',
      bot: 'b0',
      version: 3,
      token: undefined,
      instance: 'x',
    });
    for (const bad of [line.slice(0, -5), '', 'null', '[]', line.replace('beat', 'song'), line.replace('3', '"3"')]) {
      expect(parseDiaryLine(bad)).toBeUndefined();
    }
  });
});
