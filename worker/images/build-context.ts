/**
 * The tar that the engine builds an image from: our Dockerfile and requirements on top, the user's files re-packed under
 * app/. So a file of the user named Dockerfile, .dockerignore or requirements.txt steers nothing. Streamed: at no time is
 * more than one chunk of a file in memory.
 */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import type { Language } from '#common/language.ts';
import { readSafeTar } from '#common/safe-tar.ts';
import { botUid, simpleDockerfile } from './dockerfile.ts';
import type { InstallPlan } from './install/install-plan.ts';

export interface BuildContext {
  /** The tar. Destroying it ends the reading of the source. */
  readonly stream: Readable;
  /** Settles when the tar is written out or given up; rejects with the ProblemError of a bad source. */
  readonly done: Promise<void>;
}

export interface ContextSource {
  /** As buildScope() tells it. */
  readonly scope: string;
  readonly language: Language;
  /** Undefined when nothing is installed. */
  readonly install: InstallPlan | undefined;
  readonly sourceTarPath: string;
}

// Fixed, so that the same source gives the same tar. Not 1970: zip, and so Python's wheels, cannot hold dates before 1980.
const modified = new Date('2000-01-01T00:00:00Z');
const folder = (name: string): Partial<Header> & { name: string } => ({
  name,
  type: 'directory',
  mode: 0o755,
  mtime: modified,
});
const mine = { uid: botUid, gid: botUid } as const;

/** What is wrong with the source shows in `done`. */
export function createBuildContext(source: ContextSource): BuildContext {
  const { install } = source;
  const tar = pack();
  tar.entry({ name: 'Dockerfile', mtime: modified }, simpleDockerfile(source.language, source.scope, install?.how));
  for (const name of ['skeleton/', 'skeleton/app/', 'skeleton/data/', 'skeleton/packages/', 'home/', 'app/']) {
    tar.entry(folder(name));
  }
  if (source.language === 'node') {
    tar.entry({ name: 'skeleton/node_modules', type: 'symlink', linkname: 'packages/node_modules', mtime: modified });
  }
  if (install !== undefined) {
    tar.entry(folder('requirements/'));
    // There even if nothing is copied into it: pip runs in it.
    if (source.language === 'python' && install.how === 'apart') tar.entry(folder('requirements/files/'));
    for (const { name, content } of install.files) {
      tar.entry({ name: `requirements/${name}`, mtime: modified }, Buffer.from(content));
    }
  }
  const done = addSource(tar, createReadStream(source.sourceTarPath)).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  // Whoever reads only the stream learns of the failure there; this keeps an unread `done` from ending the process.
  done.catch(() => {});
  return { stream: Readable.from(tar, { objectMode: false }), done };
}

async function addSource(tar: Pack, source: Readable): Promise<void> {
  // A pack that is destroyed leaves a write to it hanging.
  const givenUp = new AbortController();
  tar.once('close', () => givenUp.abort());
  for await (const entry of readSafeTar(source)) {
    if (entry.kind === 'folder') {
      tar.entry({ ...folder(`app/${entry.name}/`), ...mine });
      continue;
    }
    const mode = entry.executable ? 0o755 : 0o644;
    const sink = tar.entry({ name: `app/${entry.name}`, size: entry.sizeBytes, mode, mtime: modified, ...mine });
    // A streamx stream: Node's pipeline takes it, only its type is not Node's.
    await pipeline(entry.content, sink as unknown as NodeJS.WritableStream, { signal: givenUp.signal });
  }
  tar.finalize();
}
