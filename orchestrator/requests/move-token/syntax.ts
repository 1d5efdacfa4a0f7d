/**
 * Whether Node.js can read a text as JavaScript or TypeScript. Its parser is asked in a thread of its own that ends afterwards: some ten
 * thousand brackets break the parser for as long as its thread lives, and it holds the event loop of its thread.
 */
import { Worker } from 'node:worker_threads';
import { later } from '#common/background.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';

const limitMs = 10_000;
const memoryMb = 128;
// More would take the processors from everybody else.
const threads = new Semaphore(2, { perUserMax: 1 });
const never = new AbortController().signal;

const code = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { stripTypeScriptTypes } = require('node:module');
  for (const text of workerData) stripTypeScriptTypes(text);
  parentPort.postMessage('read');`;

/** Whether each of them, which are the user's, can be read. False also for what takes too long. */
export async function areRead(texts: readonly string[], userId: string): Promise<boolean> {
  const release = await threads.acquire(never, userId);
  try {
    return await inThread(texts);
  } finally {
    release();
  }
}

function inThread(texts: readonly string[]): Promise<boolean> {
  const thread = new Worker(code, {
    eval: true,
    workerData: texts,
    env: {},
    execArgv: ['--disable-warning=ExperimentalWarning'],
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  });
  return new Promise((resolve) => {
    let isRead = false;
    const cancel = later(limitMs, () => void thread.terminate());
    thread.once('message', () => {
      isRead = true;
    });
    // A text that cannot be read, or that breaks the parser: the thread ends with it.
    thread.once('error', () => undefined);
    thread.once('exit', () => {
      cancel();
      resolve(isRead);
    });
  });
}
