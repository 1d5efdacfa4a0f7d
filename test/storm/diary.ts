/**
 * Diaries of bots: what each instance says of itself, written by somebody outside the platform. A line:
 *     {"at":MS,"user":"ann","bot":"b0","version":12,"token":1,"instance":"9f3c...","host":"...","kind":"start"|"beat"|"stop"}
 * `at` is the bot's own CLOCK_MONOTONIC in ms, which all processes of a machine share, containers too, and no step of the
 * wall clock moves.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

export interface DiaryLine {
  readonly at: number;
  readonly user: string;
  readonly bot: string;
  readonly version: number;
  readonly token: number | undefined;
  /** Made by each process of a bot for itself. */
  readonly instance: string;
  readonly kind: 'start' | 'beat' | 'stop';
}

/** Undefined for anything that is not a line of a diary. */
export function parseDiaryLine(text: string): DiaryLine | undefined {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line !== 'object' || line === null) return undefined;
    const { at, user, bot, version, token, instance, kind } = line as Partial<Record<keyof DiaryLine, unknown>>;
    if (typeof at !== 'number' || typeof version !== 'number' || typeof instance !== 'string') return undefined;
    if (typeof user !== 'string' || typeof bot !== 'string') return undefined;
    if (kind !== 'start' && kind !== 'beat' && kind !== 'stop') return undefined;
    return { at, user, bot, version, token: typeof token === 'number' ? token : undefined, instance, kind };
  } catch {
    return undefined; // a line that was cut, by a bot that was killed while it wrote
  }
}

export interface Witness {
  /** HOST:PORT, where bots send their lines. */
  readonly address: string;
  /** All lines so far, in the order in which they came. */
  readonly lines: readonly DiaryLine[];
  close(): Promise<void>;
}

/** Takes lines from bots and appends them to one file per bot in `dir`, each batch with an fsync before the next. */
export async function startWitness(host: string, dir: string): Promise<Witness> {
  mkdirSync(dir, { recursive: true });
  const lines: DiaryLine[] = [];
  const files = new Map<string, FileHandle>();
  const waiting = new Map<string, string[]>();
  let writing: Promise<void> | undefined;
  const write = async () => {
    while (waiting.size > 0) {
      const batch = [...waiting];
      waiting.clear();
      for (const [name, texts] of batch) {
        const file = files.get(name) ?? (await open(join(dir, `${name}.diary`), 'a'));
        files.set(name, file);
        await file.write(texts.join(''));
        await file.datasync();
      }
    }
    writing = undefined;
  };
  const take = (text: string) => {
    const line = parseDiaryLine(text);
    if (line === undefined) return;
    lines.push(line);
    const name = `${line.user}.${line.bot}`;
    waiting.set(name, [...(waiting.get(name) ?? []), `${text}\n`]);
    writing ??= write();
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) take(part);
    });
    socket.on('error', () => {}); // a bot that was killed
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    // A TCP server that listens has an AddressInfo.
    address: `${host}:${(server.address() as AddressInfo).port}`,
    lines,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await writing;
      for (const file of files.values()) await file.close();
    },
  };
}
