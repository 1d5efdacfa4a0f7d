/** What is alive in this process, counted over the whole heap: the one measure that no forgotten list can hide from. */
import { getEventListeners } from 'node:events';
import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface HeapCount {
  /** Everything that has a prototype: objects, closures, promises, timers, sockets. */
  readonly objects: number;
  /** Entries of all maps and sets together. */
  readonly entries: number;
  /** On all abort signals together. */
  readonly listeners: number;
  /** The objects by the name of their class, functions by their own. */
  readonly byClass: Readonly<Record<string, number>>;
}

const objectGroup = 'count';
type Remotes = Readonly<Record<string, { readonly objectId?: string; readonly value?: unknown } | undefined>>;

/** Counts after collecting garbage. Takes about a second. */
export async function countHeap(): Promise<HeapCount> {
  const session = new Session();
  session.connect();
  // Its types know only a part of the protocol: https://chromedevtools.github.io/devtools-protocol/v8/Runtime/
  const post = session.post.bind(session) as unknown as (method: string, params?: object) => Promise<Remotes>;
  try {
    // What a finalizer or the end of a turn releases is garbage only the next time.
    for (let times = 0; times < 3; times += 1) {
      await post('HeapProfiler.collectGarbage');
      await delay(20);
    }
    globalThis.countObjects = count;
    const found = await post('Runtime.evaluate', { expression: 'Object.prototype', objectGroup });
    const all = await post('Runtime.queryObjects', { prototypeObjectId: found['result']?.objectId, objectGroup });
    const counted = await post('Runtime.callFunctionOn', {
      objectId: all['objects']?.objectId,
      functionDeclaration: 'function () { return globalThis.countObjects(this); }',
      returnByValue: true,
    });
    await post('Runtime.releaseObjectGroup', { objectGroup });
    return counted['result']?.value as HeapCount; // what countObjects returns
  } finally {
    session.disconnect();
  }
}

declare global {
  /** Called by the inspector, which sees globals alone. */
  var countObjects: (all: readonly object[]) => HeapCount;
}

function count(all: readonly object[]): HeapCount {
  const byClass: Record<string, number> = {};
  let entries = 0;
  let listeners = 0;
  for (const item of all) {
    let name = 'something odd';
    try {
      name = typeof item === 'function' ? `function ${item.name}` : (item.constructor?.name ?? 'no class');
      if (item instanceof Map || item instanceof Set) entries += item.size || 0;
      if (item instanceof AbortSignal && item !== AbortSignal.prototype)
        listeners += getEventListeners(item, 'abort').length;
    } catch {
      // A prototype, which has the getters and not what they read; a proxy.
    }
    byClass[name] = (byClass[name] ?? 0) + 1;
  }
  return { objects: all.length, entries, listeners, byClass };
}
