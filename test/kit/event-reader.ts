/** Reads GET /events as a test would: frames with their id, over a connection that can be broken at any moment. */
import type { JsonBody } from './orchestrator-for-tests.ts';

export interface ReadFrame {
  readonly id: string;
  readonly event: string;
  readonly data: JsonBody;
}

export interface EventReader {
  /** All events so far, across connections; marks are left out. */
  readonly frames: readonly ReadFrame[];
  /** The place to resume from: the last id, of a mark too. */
  lastId(): string;
  /** Breaks the connection off. */
  close(): void;
  /** Rejects with what broke it, unless that was `close`. */
  readonly ended: Promise<void>;
}

/** Opens the stream; rejects when it is refused, with the answer's text. */
export async function readEvents(
  url: string,
  options: { readonly token?: string; readonly query?: string; readonly lastEventId?: string } = {},
): Promise<EventReader> {
  const { token = 'test-client-token', query = '', lastEventId = '' } = options;
  const abort = new AbortController();
  const response = await fetch(`${url}/events${query}`, {
    headers: { authorization: `Bearer ${token}`, ...(lastEventId ? { 'last-event-id': lastEventId } : {}) },
    signal: abort.signal,
  });
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`);
  const frames: ReadFrame[] = [];
  let lastId = lastEventId;
  const read = async (body: ReadableStream<Uint8Array>) => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const fields = new Map(
          text
            .slice(0, end)
            .split('\n')
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const),
        );
        text = text.slice(end + 2);
        lastId = fields.get('id') ?? lastId;
        const data = fields.get('data');
        if (data !== undefined) frames.push({ id: lastId, event: fields.get('event') ?? '', data: JSON.parse(data) });
      }
    }
  };
  const ended = read(response.body).catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  // A test that does not ask how it ended must not fail by it.
  ended.catch(() => undefined);
  return { frames, lastId: () => lastId, close: () => abort.abort(), ended };
}
