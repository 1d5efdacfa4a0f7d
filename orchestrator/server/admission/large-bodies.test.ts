import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { LargeBodies, smallBytes } from './large-bodies.ts';

const mib = 1024 * 1024;
const response = () => Object.assign(new EventEmitter(), { destroyed: false });

it('charges what has come of large messages, and nothing for small ones', () => {
  const bodies = new LargeBodies({ burst: 4 * mib, perSecond: mib }, () => 0);
  for (let n = 0; n < 100; n++) expect(bodies.of('a', response()).charge(smallBytes)).toBeUndefined();
  const large = bodies.of('a', response());
  for (let length = 0; length < 4 * mib; length += 64 * 1024) expect(large.charge(length)).toBeUndefined();
  expect(large.charge(5 * mib)?.code).toBe('RATE_LIMITED');
  // Everybody else has as much of their own.
  expect(bodies.of('b', response()).charge(mib)).toBeUndefined();
});

it('refuses what says that it is too much before any of it has come, and charges nothing then', () => {
  let now = 0;
  const bodies = new LargeBodies({ burst: 4 * mib, perSecond: mib }, () => now);
  for (let n = 0; n < 10; n++) expect(bodies.of('a', response()).charge(0, 3 * mib)).toBeUndefined();
  expect(bodies.of('a', response()).charge(2 * mib)).toBeUndefined();
  expect(bodies.of('a', response()).charge(3 * mib)).toBeUndefined();
  const refused = bodies.of('a', response()).charge(0, 4 * mib);
  expect(refused).toMatchObject({ code: 'RATE_LIMITED', details: { retry_after: 2 } });
  now = 2_000;
  expect(bodies.of('a', response()).charge(0, 4 * mib)).toBeUndefined();
});

it('lets one of a caller be worked on until it was answered, and another caller beside it', async () => {
  const bodies = new LargeBodies({ burst: mib, perSecond: mib });
  const begun: string[] = [];
  const begin = async (caller: string, name: string, answered = response()) => {
    await bodies.of(caller, answered).begin(2 * mib);
    begun.push(name);
  };
  const answers = [response(), response()] as const;
  await begin('a', 'first', answers[0]);
  const second = begin('a', 'second', answers[1]);
  await begin('b', 'of another');
  expect(bodies.of('a', response()).begin(smallBytes)).toBeUndefined();
  expect(begun).toEqual(['first', 'of another']);
  answers[0].emit('close');
  await second;
  expect(begun).toEqual(['first', 'of another', 'second']);
});

it('holds nobody up for an answer that is not fetched', async () => {
  const bodies = new LargeBodies({ burst: mib, perSecond: mib });
  const [first, second] = [bodies.of('a', response()), bodies.of('a', response())];
  await first.begin(2 * mib);
  const begun = second.begin(2 * mib);
  first.end();
  await begun;
  // Ended before it began: its turn passes to the next at once.
  const [late, next] = [bodies.of('a', response()), bodies.of('a', response())];
  const waiting = [late.begin(2 * mib), next.begin(2 * mib)];
  late.end();
  second.end();
  await Promise.all(waiting);
});

it('does not wait for an answer to nobody', async () => {
  const bodies = new LargeBodies({ burst: mib, perSecond: mib });
  await bodies.of('a', { ...response(), destroyed: true, once: () => undefined }).begin(2 * mib);
  await bodies.of('a', response()).begin(2 * mib);
});
