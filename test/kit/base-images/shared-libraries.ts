/** Which shared libraries programs need, so that they run in an image that has nothing else. */

import type { PackageTree } from '../private-engine/debian-packages.ts';
import { runProgram } from '../private-engine/run-program.ts';

export interface SharedLibrary {
  /** Where the loader looks for it in the image. */
  readonly path: string;
  /** The file on this machine. */
  readonly source: string;
}

/** The loader and every library of the programs and modules given, theirs included. Throws when one cannot be found. */
export async function sharedLibraries(tree: PackageTree, programs: readonly string[]): Promise<SharedLibrary[]> {
  const output = await runProgram('ldd', programs, {
    env: { ...process.env, LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':') },
  });
  const absent = /^\s*(\S+) => not found/m.exec(output)?.[1];
  if (absent) throw new Error(`the library ${absent} is not on this machine`);
  // "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x7f...)", and the loader: "/lib64/ld-linux-x86-64.so.2 (0x7f...)".
  const sources = new Set([...output.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, source = '']) => source));
  return [...sources].map((source) => ({
    source,
    path: source.startsWith(`${tree.root}/`) ? source.slice(tree.root.length) : source,
  }));
}
