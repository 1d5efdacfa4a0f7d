/** Images made of programs of the worker's own machine: for a worker that is not in a container, and so has no image of its own. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { hasImage } from './images.ts';

export interface ProgramFiles {
  readonly repository: string;
  /** Of the image, as NAME=VALUE. */
  readonly label: string;
  /** By their absolute paths in the image; a few MB together. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** The image's name. It is made unless the engine has it: its tag says what is in it. Throws EngineRefusal. */
export async function programImage(
  engine: EngineClient,
  { repository, label, files }: ProgramFiles,
  signal: AbortSignal,
): Promise<string> {
  const contents = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash('sha256');
  for (const [path, content] of contents) hash.update(`${path}\0${content.length}\0`).update(content);
  const tag = hash.digest('hex').slice(0, 16);
  const image = `${repository}:${tag}`;
  if (await hasImage(engine, image, signal)) return image;
  const tar = pack();
  for (const [path, content] of contents) tar.entry({ name: path.slice(1), mode: 0o755 }, content);
  tar.finalize();
  const query = { fromSrc: '-', repo: repository, tag, changes: `LABEL ${label}` };
  const upload = Readable.from([await buffer(Readable.from(tar))]);
  const answer = await buffer(await engine.stream({ method: 'POST', path: '/images/create', query, upload }, signal));
  const failure = /"error":"([^"]*)"/.exec(answer.toString())?.[1];
  if (failure !== undefined) throw new EngineRefusal(500, failure);
  return image;
}
