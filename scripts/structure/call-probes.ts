/**
 * Who calls whom among our own functions, as it really happens. Each function gets a probe at its beginning, which asks the stack for
 * the caller, and the asynchronous context for that one's callers, whom an `await` has taken off the stack; and one at its end. What
 * waits for a bell or a message has been called by whoever made it wait, not by whoever rings.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FunctionText, innermostAt, probeText } from './probe-text.ts';

export interface Call {
  readonly path: string;
  /** The function's own name, "" for one without; functions of one name in a file are told apart by `id`. */
  readonly name: string;
  readonly id: number;
  readonly by: Call | undefined;
}

const context = new AsyncLocalStorage<Call | undefined>();
const probedFiles = new Map<string, readonly FunctionText[]>();
let root = '';
let onCall: ((call: Call) => void) | undefined;

/** Files of the checkout that are loaded from now on are probed, those among them that are `ours`. */
export function probe(checkout: string, isOurs: (path: string) => boolean): void {
  root = checkout;
  Error.stackTraceLimit = 30;
  Object.assign(globalThis, { __entered: entered, __left: left });
  registerHooks({
    load(url, loading, nextLoad) {
      const loaded = nextLoad(url, loading);
      const path = pathOf(url);
      if (path === undefined || !isOurs(path)) return loaded;
      const { source, functions } = probeText(readFileSync(fileURLToPath(url), 'utf8'), path);
      probedFiles.set(path, functions);
      return { ...loaded, source };
    },
  });
}

/** The calls while `work` runs. */
export async function callsOf(work: () => Promise<unknown>): Promise<readonly Call[]> {
  const calls: Call[] = [];
  onCall = (call) => calls.push(call);
  try {
    await work();
  } finally {
    onCall = undefined;
  }
  return calls;
}

const pathOf = (url: string): string | undefined =>
  url.startsWith('file://') ? relative(root, fileURLToPath(url)) : undefined;

function entered(path: string, id: number): Call {
  const before = context.getStore();
  const caller = callerHere();
  let by = before;
  if (caller !== undefined) {
    // What was called last may have returned since, or be waiting: the caller is among its callers.
    while (by !== undefined && (by.path !== caller.path || by.id !== caller.id)) by = by.by;
    by ??= { ...caller, by: before };
  }
  const call = { path, name: probedFiles.get(path)?.find((one) => one.id === id)?.name ?? '', id, by };
  context.enterWith(call);
  onCall?.(call);
  return call;
}

function left(call: Call): void {
  context.enterWith(call.by);
}

/** The function of ours that called the one with the probe; undefined where a library or an event did. */
function callerHere(): Omit<Call, 'by'> | undefined {
  const usual = Error.prepareStackTrace;
  Error.prepareStackTrace = (_error, sites) => sites;
  const sites = new Error('a probe').stack as unknown as readonly (NodeJS.CallSite & { isAsync(): boolean })[];
  Error.prepareStackTrace = usual;
  // This function, `entered`, and the probed one come first.
  for (const site of sites.slice(3)) {
    if (site.isAsync()) return undefined;
    const path = pathOf(site.getFileName() ?? '');
    const found = path === undefined ? undefined : probedFiles.get(path);
    if (path === undefined || found === undefined) continue;
    const around = innermostAt(found, site.getLineNumber() ?? 1, site.getColumnNumber() ?? 1);
    return { path, name: around?.name ?? '', id: around?.id ?? -1 };
  }
  return undefined;
}
