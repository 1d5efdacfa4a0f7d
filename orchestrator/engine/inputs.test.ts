import { expect, test } from 'vitest';
import { createInputs } from './inputs.ts';

test('every run is given the same time and ids; a longer run gets new ones after those', () => {
  let n = 0;
  const begin = createInputs({ wallMs: () => ++n, newId: () => `id-${++n}`, eventId: (at) => `event-${at}-${++n}` });
  const first = begin();
  const drawn = [first.newId(), first.newEventId(), first.newId()];
  const second = begin();
  expect(second.now).toBe(first.now);
  expect([second.newId(), second.newEventId(), second.newId()]).toEqual(drawn);
  expect(drawn).not.toContain(second.newId());
});
