/**
 * Carries an image from one engine to another, as a stream: it is in no file of ours, and an engine that is slow to take it
 * slows the one that gives it. Engines keep the layers that they have already.
 *
 * Where it comes from may be less trusted than where it goes: an archive of images can hold many, under any names. Only one
 * image passes, under no name but those that the caller gives it.
 */
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import { orAbort } from '#common/waiting/abort.ts';
import { type JsonRecord, list, record, text } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, sortedError } from '../engine-errors.ts';

/**
 * Returns the id that the receiving engine has it by. Throws as EngineClient does; EngineRefusal also for an archive that holds
 * more than an image.
 */
export async function carryImage(
  { from, to }: { readonly from: EngineClient; readonly to: EngineClient },
  image: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  // An upload whose source fails would be waited for endlessly.
  const broken = new AbortController();
  const both = AbortSignal.any([signal, broken.signal]);
  const saved = await from.stream({ method: 'GET', path: `/images/${encodeURIComponent(image)}/get` }, both);
  const upload = new PassThrough();
  // Destroyed with a reason, it must not end the process where nobody reads it any more.
  upload.on('error', () => {});
  const sifting = sift(saved, upload, names).catch((error: unknown) => broken.abort(error));
  try {
    const load = { method: 'POST', path: '/images/load', query: { quiet: true }, upload } as const;
    const answer = await orAbort(both, to.stream(load, both));
    const loaded = loadedId((await orAbort(both, buffer(answer))).toString());
    await sifting;
    both.throwIfAborted();
    return loaded;
  } catch (error) {
    // Whatever went wrong first is the reason: the rest follows from it.
    broken.abort(error);
    throw sortedError(broken.signal.reason, 'POST /images/load', signal);
  } finally {
    saved.destroy();
    upload.destroy();
  }
}

const loadedPattern = /Loaded image(?: ID)?: (\S+)/;

/** From the objects that an engine reports on lines. */
function loadedId(report: string): string {
  let id: string | undefined;
  for (const line of report.split('\n')) {
    if (line.trim() === '') continue;
    const entry = parsed(line);
    const failure = text(record(entry['errorDetail'])['message']) || text(entry['error']);
    if (failure !== '') throw new EngineRefusal(500, failure);
    id = loadedPattern.exec(text(entry['stream']))?.[1] ?? id;
  }
  if (id === undefined) throw new EngineRefusal(500, 'the engine does not say which image it has taken');
  return id;
}

function parsed(line: string): JsonRecord {
  try {
    return record(JSON.parse(line));
  } catch {
    return {}; // a report whose end is cut: what it lacks is found missing
  }
}

/** https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format, and as engines since 25 write it. */
const parts =
  /^(?:[0-9a-f]{64}\.json|[0-9a-f]{64}\/(?:VERSION|json|layer\.tar)?|blobs\/(?:sha256\/(?:[0-9a-f]{64})?)?)$/;
const otherLayer = /^\.\.\/[0-9a-f]{64}\/layer\.tar$/;
/** Names of images, and an index of the same in another form. */
const leftOut = new Set(['repositories', 'index.json', 'oci-layout']);
const manifestName = 'manifest.json';
const manifestMaxBytes = 1024 * 1024;

async function sift(saved: Readable, upload: PassThrough, names: readonly string[]): Promise<void> {
  const entries = extract();
  const sifted = pack();
  const packing = async () => {
    let isNamed = false;
    for await (const entry of entries) {
      const { name, type, linkname } = entry.header;
      if (name === manifestName && type === 'file') {
        sifted.entry(
          { name: manifestName, mode: 0o644 },
          oneImage(await manifestOf(Readable.from(entry), entry.header), names),
        );
        isNamed = true;
      } else if (parts.test(name) && (type === 'file' || type === 'directory')) {
        await pipeline(entry, entryOf(sifted, entry.header));
      } else if (parts.test(name) && type === 'symlink' && otherLayer.test(linkname ?? '')) {
        sifted.entry(entry.header);
        entry.resume();
      } else if (leftOut.has(name)) {
        entry.resume();
      } else {
        throw new EngineRefusal(500, `the archive of an image holds ${JSON.stringify(name)}, which is no part of one`);
      }
    }
    if (!isNamed) throw new EngineRefusal(500, 'the archive of an image has no manifest');
    sifted.finalize();
  };
  // It may fail before anybody reads it: an event without a listener would throw.
  sifted.on('error', () => {});
  const work = packing().catch((error: unknown) => {
    const reason = error as Error; // tar-stream and the lines above throw nothing else
    for (const stream of [saved, sifted, upload]) stream.destroy(reason);
    throw error;
  });
  const ends = await Promise.allSettled([
    work,
    pipeline(saved, entries),
    pipeline(Readable.from(sifted, { objectMode: false }), upload),
  ]);
  // Of several failures the first here is the cause of the others.
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

const entryOf = (sifted: Pack, header: Header) => sifted.entry({ ...header, mode: 0o644, uid: 0, gid: 0 });

async function manifestOf(entry: Readable, { size = 0 }: Header): Promise<unknown> {
  if (size > manifestMaxBytes) throw new EngineRefusal(500, 'the manifest of an image is too large');
  return JSON.parse((await buffer(entry)).toString());
}

function oneImage(manifest: unknown, names: readonly string[]): string {
  const images = list(manifest).map(record);
  const [image] = images;
  if (image === undefined || images.length !== 1) {
    throw new EngineRefusal(500, `the archive of an image holds ${images.length} images`);
  }
  return JSON.stringify([
    { Config: image['Config'], RepoTags: names.length === 0 ? null : names, Layers: image['Layers'] },
  ]);
}
