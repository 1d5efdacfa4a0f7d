/** Files of an image to be: gathered by path first, then packed as one tar stream, owned by root. */
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';

type Entry =
  | { readonly kind: 'text'; readonly text: string; readonly mode: number }
  | { readonly kind: 'file'; readonly source: string; readonly stat: Stats }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'folder'; readonly mode: number; readonly owner: number };

/** Larger files are streamed, smaller ones read whole. */
const streamFromBytes = 1024 * 1024;

export class FileSet {
  readonly #entries = new Map<string, Entry>();

  text(path: string, text: string, mode = 0o644): void {
    this.#add(path, { kind: 'text', text, mode });
  }

  link(path: string, target: string): void {
    this.#add(path, { kind: 'link', target });
  }

  folder(path: string, mode = 0o755, owner = 0): void {
    this.#add(path, { kind: 'folder', mode, owner });
  }

  /** One file of this machine; links are followed. */
  file(path: string, source: string): void {
    this.#add(path, { kind: 'file', source, stat: statSync(source) });
  }

  /** A folder of this machine with all in it but what `leaveOut` says, by path within the folder. */
  tree(path: string, source: string, leaveOut: (within: string) => boolean): void {
    for (const within of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
      if (leaveOut(within)) continue;
      const from = join(source, within);
      const stat = lstatSync(from);
      if (stat.isFile()) this.#add(join(path, within), { kind: 'file', source: from, stat });
      // Links out of the folder would lead nowhere in an image.
      if (stat.isSymbolicLink() && !isAbsolute(readlinkSync(from))) this.link(join(path, within), readlinkSync(from));
    }
  }

  /** The tar stream. Reads the files as it is read. */
  pack(): Readable {
    const tar = pack();
    this.#packInto(tar).then(
      () => tar.finalize(),
      (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    return Readable.from(tar, { objectMode: false });
  }

  #add(path: string, entry: Entry): void {
    const parent = dirname(path);
    if (parent !== '/' && !this.#entries.has(parent)) this.folder(parent);
    this.#entries.set(path, entry);
  }

  async #packInto(tar: Pack): Promise<void> {
    for (const [path, entry] of this.#entries) await packEntry(tar, path.slice(1), entry);
  }
}

async function packEntry(tar: Pack, name: string, entry: Entry): Promise<void> {
  switch (entry.kind) {
    case 'folder':
      return packBuffer(tar, { name, type: 'directory', mode: entry.mode, uid: entry.owner, gid: entry.owner });
    case 'link':
      return packBuffer(tar, { name, type: 'symlink', linkname: entry.target });
    case 'text':
      return packBuffer(tar, { name, mode: entry.mode }, Buffer.from(entry.text));
    case 'file': {
      // With its time: Python takes a compiled module only for a source of the same time and size.
      const { size, mode, mtime } = entry.stat;
      const header = { name, size, mode: mode & 0o777, mtime };
      if (size < streamFromBytes) return packBuffer(tar, header, readFileSync(entry.source));
      return pipeline(createReadStream(entry.source), tar.entry(header));
    }
  }
}

function packBuffer(tar: Pack, header: Parameters<Pack['entry']>[0], content = Buffer.alloc(0)): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(header, content, (error) => (error ? reject(error) : resolve()));
  });
}
