/** Makes plain JavaScript of the command line and all it uses, in files that are loaded when they are needed. */
import { type OutputChunk, rolldown } from 'rolldown';
import { checkout, checkoutPath } from '../process/checkout.ts';
import { leanClipanion } from './clipanion.ts';
import { readDescriptors } from './descriptors.ts';

/** The oldest Node.js that the packed program runs on. */
export const oldestNode = 20;

/** Every call needs all of these together: one file is read and compiled faster than ten. */
const everyCall =
  /\/node_modules\/@bufbuild\/protobuf\/|\/gen\/botrunner\/v1\/(bot|bot_service|error|event|job|log)_pb\.js$|\/cli\/(client|wire\/(answer-bytes|post|reasons|unary))\.ts$|\/connect\/dist\/esm\/(any-client|call-|code|connect-error|promise-client|protocol\/async-iterable)/;

export interface Bundle {
  /** The names of the files in the folder. */
  readonly files: readonly string[];
  /** The folders of the packages whose code is in them. */
  readonly packages: readonly string[];
}

/** Writes start.js and the files that it loads into `folder`. */
export async function bundleCli(folder: string): Promise<Bundle> {
  const build = await rolldown({
    cwd: checkout,
    input: { start: checkoutPath('cli', 'package', 'start.js') },
    platform: 'node',
    plugins: [leanClipanion, readDescriptors],
    tsconfig: false,
    transform: { target: `node${oldestNode}` },
  });
  const { output } = await build.write({
    dir: folder,
    cleanDir: true,
    // ES modules take Node.js longer to load.
    format: 'cjs',
    minify: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    codeSplitting: { groups: [{ name: 'call', test: everyCall }] },
  });
  await build.close();
  const chunks = output.filter((part): part is OutputChunk => part.type === 'chunk');
  return {
    files: chunks.map(({ fileName }) => fileName),
    packages: [...new Set(chunks.flatMap(({ moduleIds }) => moduleIds.flatMap(packageOf)))].toSorted(),
  };
}

/** The package folder of a module under node_modules. */
function packageOf(moduleId: string): string[] {
  const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(moduleId)?.[0];
  return folder === undefined ? [] : [folder];
}
