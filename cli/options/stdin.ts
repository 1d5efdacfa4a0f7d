/** What a person or a pipe says on stdin. */

import type { Readable } from 'node:stream';
import type { Clock } from '#common/clock.ts';
import { createDeferred } from '#common/deferred.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { decode } from '../text/read-text.ts';

export interface StdinContext {
  readonly stdin: Readable;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A person may have to look something up, or to unlock a store of passwords, but not longer. */
const patienceMs = 5 * 60_000;
const bytesMax = 64 * 1024;

/** All of it, to its end. Throws CliError when it does not come or is too long, and the signal's reason. */
const readAllStdin = (context: StdinContext, max = bytesMax): Promise<string> => readUntil(context, () => false, max);

/** What is piped in, whatever it is: `what` it is for, `example` shows how. Typed on a terminal it would be visible. Throws CliError. */
export function readPiped(
  context: StdinContext & { readonly terminal: { readonly stdin: boolean } },
  what: string,
  example: string,
  max = bytesMax,
): Promise<string> {
  if (!context.terminal.stdin) return readAllStdin(context, max);
  throw complain(
    exitCodes.usage,
    'USAGE',
    `Pipe ${what} in; typed here, it would be visible.`,
    `For example: ${example}`,
  );
}

/** A password that is piped in. On a terminal it would show while it is typed, so that is refused. */
export function readPassword(
  context: StdinContext & { readonly terminal: { readonly stdin: boolean } },
): Promise<string> {
  const example = 'avtomatika-bot start my-bot --image REF --registry-user me --registry-pass-stdin < pass.txt';
  return readPiped(context, 'the password', example);
}

/** One line, without its end; whatever was read if the input ends first. */
export async function readLine(context: StdinContext): Promise<string> {
  const text = await readUntil(context, (piece) => piece.includes(0x0a));
  return (text.split('\n')[0] ?? '').replace(/\r$/, '');
}

function readUntil(
  { stdin, clock, signal }: StdinContext,
  isEnd: (piece: Buffer) => boolean,
  max = bytesMax,
): Promise<string> {
  const { promise, resolve, reject } = createDeferred<string>();
  const pieces: Buffer[] = [];
  let bytes = 0;
  const finish = (): void => {
    try {
      resolve(decode(Buffer.concat(pieces), 'Standard input', max));
    } catch (error) {
      reject(error);
    }
  };
  const onData = (piece: Buffer | string): void => {
    const next = Buffer.from(piece);
    pieces.push(next);
    bytes += next.byteLength;
    if (bytes > max || isEnd(next)) finish();
  };
  const cancelTimer = clock.after(patienceMs, () =>
    reject(complain(exitCodes.failed, 'NO_INPUT', 'Standard input was empty.', 'Try again, or pipe it in.')),
  );
  stdin.on('data', onData).once('end', finish).once('error', reject);
  const letGo = onAbort(signal, () => reject(signal.reason));
  return promise.finally(() => {
    cancelTimer();
    stdin.off('data', onData).off('end', finish).off('error', reject).pause();
    letGo();
  });
}
