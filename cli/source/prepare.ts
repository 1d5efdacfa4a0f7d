/** From the kind of source to a source that is ready: reads the files, sends nothing. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { fileFault } from '../text/file-fault.ts';
import { prepareArchiveFile } from './archive-file.ts';
import { prepareArchiveUrl } from './archive-url.ts';
import type { SourceChoice } from './choice.ts';
import { prepareFolder } from './custom-folder.ts';
import { prepareGit } from './git.ts';
import { prepareReadyImage } from './image.ts';
import { prepareInline } from './inline.ts';
import { prepareSimple } from './simple.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** Throws CliError or ProblemError with the cure. */
export async function prepareSource(choice: SourceChoice, context: SourceContext): Promise<ReadySource> {
  switch (choice.kind) {
    case 'simple':
      return prepareSimple(choice, context);
    case 'inline':
      return prepareInline(choice, context);
    case 'path':
      return preparePath(choice.path, choice.dockerfile, context);
    case 'archive_url':
      return prepareArchiveUrl(choice.url);
    case 'git':
      return prepareGit(choice);
    case 'image':
      return prepareReadyImage(choice, context);
  }
}

async function preparePath(name: string, dockerfile: string, context: SourceContext): Promise<ReadySource> {
  const diskPath = resolve(context.cwd, name);
  // A link that the user names is meant.
  const facts = await stat(diskPath).catch((error: unknown) => Promise.reject(fileFault(name, error)));
  if (facts.isDirectory()) return prepareFolder(name, diskPath, dockerfile, context);
  if (facts.isFile()) return prepareArchiveFile(name, diskPath, facts.size);
  throw complain(
    exitCodes.failed,
    'INVALID_FILES',
    `${name} is neither a file nor a folder.`,
    'Name a folder with a Dockerfile, or a .tar, .tar.gz or .tgz file.',
  );
}
