import { beforeEach, expect, it } from 'vitest';
import { WaitingWorkers } from './waiting-workers.ts';

let waiting: WaitingWorkers;
let woken: string[];
beforeEach(() => {
  waiting = new WaitingWorkers();
  woken = [];
});

/** A waiting worker that records each time it is woken. */
function join(name: string, ...types: string[]) {
  const worker = waiting.join();
  waiting.looks(worker, types);
  worker.bell.ring = () => {
    woken.push(name);
  };
  return worker;
}

it('each task wakes one more of the workers that take its type, the longest waiting first', () => {
  join('other', 'b');
  const first = join('first', 'a');
  join('second', 'b', 'a');
  waiting.offered('a');
  expect(woken).toEqual(['first']);
  waiting.offered('a');
  waiting.offered('a');
  expect(woken).toEqual(['first', 'second']);
  // It has looked, and waits again.
  waiting.looks(first, ['a']);
  waiting.offered('a');
  expect(woken).toEqual(['first', 'second', 'first']);
});

it('a worker that leaves without having looked passes the task on; one that has looked does not', () => {
  const first = join('first', 'a');
  const second = join('second', 'a');
  join('third', 'a');
  waiting.offered('a');
  waiting.leave(first);
  expect(woken).toEqual(['first', 'second']);
  waiting.looks(second, ['a']);
  waiting.looked(second, 'a');
  waiting.leave(second);
  expect(woken).toEqual(['first', 'second']);
  waiting.offered('a');
  expect(woken).toEqual(['first', 'second', 'third']);
});

it('a worker that leaves while it looks, or takes another task, passes the task on; one that found none does not', () => {
  const first = join('first', 'a', 'b');
  const second = join('second', 'a');
  const third = join('third', 'a', 'b');
  waiting.offered('a');
  waiting.looks(first, ['a', 'b']);
  waiting.looked(first, 'b');
  expect(woken).toEqual(['first']);
  waiting.leave(first);
  expect(woken).toEqual(['first', 'second']);
  waiting.looks(second, ['a']);
  waiting.looked(second, undefined);
  waiting.leave(second);
  waiting.offered('a');
  waiting.looks(third, ['a', 'b']);
  join('fourth', 'a');
  waiting.leave(third);
  expect(woken).toEqual(['first', 'second', 'third', 'fourth']);
});

it('a worker that takes other types by now passes the task on when it looks', () => {
  const first = join('first', 'a');
  join('second', 'a');
  waiting.offered('a');
  waiting.looks(first, ['b']);
  expect(woken).toEqual(['first', 'second']);
  waiting.offered('b');
  expect(woken).toEqual(['first', 'second', 'first']);
});

it('all are woken when there may be tasks of any type', () => {
  join('first', 'a');
  join('second', 'b');
  waiting.wakeAll();
  expect(woken).toEqual(['first', 'second']);
});
