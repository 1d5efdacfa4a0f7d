/** Rows in groups, each in the order of the keys: which comes first. What has left is still in the heap until it comes up. */
import { Heap } from './heap.ts';
import { Grouped } from './indexes.ts';

interface Queue {
  readonly keys: Set<string>;
  /** Every key of the group once, and some that have left. */
  readonly heap: Heap<string>;
  readonly inHeap: Set<string>;
}

// With far more that have left than are there it starts over.
const leftMin = 1_024;
const leftShare = 4;

export class Queues<R> extends Grouped<R> {
  readonly #queues = new Map<string, Queue>();

  /** The first key of the group but for those in `except`. Looks at these and at no other that comes after it. */
  first(group: string, except: ReadonlySet<string>): string | undefined {
    this.need(group);
    const queue = this.#queues.get(group);
    if (queue === undefined) return undefined;
    const passed: string[] = [];
    let found: string | undefined;
    for (let key = top(queue); key !== undefined; key = top(queue)) {
      if (!except.has(key)) {
        found = key;
        break;
      }
      passed.push(key);
      queue.heap.dropFirst();
    }
    for (const key of passed) queue.heap.add(key);
    return found;
  }

  override changed(key: string, before: R | undefined, after: R | undefined): void {
    const from = before === undefined ? undefined : this.groupOf(before);
    const to = after === undefined ? undefined : this.groupOf(after);
    if (from === to) return;
    if (from !== undefined) this.#leave(from, key);
    if (to !== undefined) this.#enter(to, key);
  }

  #leave(group: string, key: string): void {
    const queue = this.#queues.get(group);
    if (queue === undefined) return;
    queue.keys.delete(key);
    if (queue.keys.size === 0) this.#queues.delete(group);
    else if (queue.heap.size > leftMin && queue.heap.size > leftShare * queue.keys.size) {
      queue.heap.reset(queue.keys);
      queue.inHeap.clear();
      for (const each of queue.keys) queue.inHeap.add(each);
    }
  }

  #enter(group: string, key: string): void {
    const queue = this.#queues.get(group) ?? {
      keys: new Set(),
      heap: new Heap<string>((a, b) => a < b),
      inHeap: new Set(),
    };
    this.#queues.set(group, queue);
    queue.keys.add(key);
    if (queue.inHeap.has(key)) return;
    queue.inHeap.add(key);
    queue.heap.add(key);
  }
}

/** The first key that is still there. */
function top({ keys, heap, inHeap }: Queue): string | undefined {
  for (let key = heap.first; key !== undefined; key = heap.first) {
    if (keys.has(key)) return key;
    heap.dropFirst();
    inHeap.delete(key);
  }
  return undefined;
}
