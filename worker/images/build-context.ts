/**
 * The tar that the engine builds an image from: our Dockerfile and requirements on top. The user's files are among it only where
 * packages are installed in their folder, re-packed under app/; so a file named Dockerfile, .dockerignore or requirements.txt
 * steers nothing. Streamed: at no time is more than one chunk of a file in memory.
 */
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { Language } from '#common/language.ts';
import type { SourceTar } from '../state/source-tar.ts';
import { addCode, folder, giveUpOnFailure, modified } from './code-archive.ts';
import { simpleDockerfile } from './dockerfile.ts';
import type { InstallPlan } from './install/install-plan.ts';

export interface BuildContext {
  /** The tar. Destroying it ends the reading of the source. */
  readonly stream: Readable;
  /** Settles when the tar is written out or given up; rejects with the ProblemError of a bad source. */
  readonly done: Promise<void>;
}

export interface ContextSource {
  /** As buildScope() returns it. */
  readonly scope: string;
  readonly language: Language;
  /** Undefined when nothing is installed. */
  readonly install: InstallPlan | undefined;
  readonly sourceTar: SourceTar;
}

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
  const hasCode = install?.how === 'in_place';
  const done = giveUpOnFailure(tar, hasCode ? addCode(tar, source.sourceTar) : Promise.resolve());
  if (!hasCode) tar.finalize();
  return { stream: Readable.from(tar, { objectMode: false }), done };
}
