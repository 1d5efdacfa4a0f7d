import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventIndex, type EventPlace } from './event-index.ts';

const places = fc.array(
  fc.record({
    userId: fc.constantFrom('ann', 'bob', ''),
    botId: fc.constantFrom('a', 'b'),
    kind: fc.constantFrom('bot', 'job'),
    subjectId: fc.constantFrom('w1', 'w2'),
    bytes: fc.nat(9),
    gap: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 60 },
);

test('finds what a scan of all events would find, also after pruning', () => {
  fc.assert(
    fc.property(places, fc.nat(80), fc.func(fc.boolean()), fc.nat(80), fc.nat(6), (list, upTo, stays, after, limit) => {
      const index = new EventIndex();
      let seq = 0;
      let all: EventPlace[] = list.map(({ gap, ...place }) => {
        seq += gap;
        return place.userId === ''
          ? { ...place, seq, botId: '', kind: 'worker', botSeq: 0 }
          : { ...place, seq, botSeq: seq * 2 };
      });
      for (const place of all) index.add(place);
      const agrees = () => {
        for (const userId of ['ann', 'bob', '']) {
          const own = all.filter((place) => place.userId === userId);
          const seqs = own.map((place) => place.seq);
          expect(index.ofUser(userId, after, limit)).toEqual(seqs.filter((one) => one > after).slice(0, limit));
          const wants = ({ botId, kind }: Pick<EventPlace, 'botId' | 'kind'>) => botId === 'a' && kind === 'bot';
          const wanted = own.filter(wants).map((place) => place.seq);
          expect(index.lastOf(userId, wants, limit)).toEqual(limit === 0 ? [] : wanted.slice(-limit));
        }
        const latest = new Map(
          all.filter(({ kind }) => kind === 'bot').map((place) => [`${place.userId}/${place.botId}`, place]),
        );
        for (const bot of ['ann/a', 'ann/b', 'bob/a', 'bob/b']) {
          expect(index.latestOfBot(bot)?.botSeq).toBe(latest.get(bot)?.botSeq);
        }
        const inOrder = [...latest.values()].map((place) => place.seq).sort((a, b) => a - b);
        expect([...index.latestOfBots()].map((place) => place.seq)).toEqual(inOrder);
        const workers = new Map(
          all.filter(({ kind }) => kind === 'worker').map((place) => [place.subjectId, place.seq]),
        );
        expect(index.latestOfWorkers()).toEqual([...workers.values()].sort((a, b) => a - b));
      };
      agrees();
      // As pruning does it: of the old ones only the newest of a bot may stay.
      const newest = new Set([...index.latestOfBots()].map((place) => place.seq));
      const left = all.filter((place) => place.seq > upTo || (newest.has(place.seq) && stays(place.seq)));
      index.forget(upTo, new Set(left.filter((place) => place.seq <= upTo).map((place) => place.seq)));
      all = left;
      agrees();
    }),
  );
});
