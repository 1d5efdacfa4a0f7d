/** Reads files out of a container, whether it runs or not. */
import { extract, type Header } from 'tar-stream';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** Reads a path of a container entry by entry until `onEntry` says false. Nothing is read when the path is absent. */
export async function readArchive(
  engine: EngineClient,
  id: string,
  path: string,
  signal: AbortSignal,
  onEntry: (header: Header, content: AsyncIterable<unknown>) => Promise<boolean>,
): Promise<void> {
  const tar = extract();
  try {
    const query = { path };
    const answer = await engine.stream({ method: 'GET', path: `/containers/${id}/archive`, query }, signal);
    answer.on('error', (error) => tar.destroy(error));
    tar.on('close', () => answer.destroy());
    answer.pipe(tar);
    for await (const entry of tar) {
      if (!(await onEntry(entry.header, entry))) return;
      entry.resume();
    }
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  } finally {
    tar.destroy();
  }
}
