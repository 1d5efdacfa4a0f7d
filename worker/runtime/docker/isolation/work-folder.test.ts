import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, pack } from 'tar-stream';
import { afterAll, expect, it } from 'vitest';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { giveFolders } from './work-folder.ts';

const spoolDir = mkdtempSync(join(tmpdir(), 'work-folder-'));
afterAll(() => rmSync(spoolDir, { recursive: true }));

type Entry = readonly [name: string, content?: string];

/** An engine with folders of a container as tars, which keeps what is put back. */
function engineWith(folders: Readonly<Record<string, readonly Entry[]>>) {
  const put: { readonly at: unknown; readonly entries: readonly string[] }[] = [];
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 43,
    call: () => Promise.reject(new Error('no calls here')),
    async stream({ method, query = {}, upload }) {
      if (method === 'PUT') {
        put.push({ at: query['path'], entries: await entriesOf(await buffer(upload ?? Readable.from([]))) });
        return Readable.from([]);
      }
      const entries = folders[String(query['path'])];
      if (entries === undefined) throw new EngineRefusal(404, 'no such path');
      const tar = pack();
      for (const [name, content] of entries) {
        if (content === undefined) tar.entry({ name, type: 'directory', mode: 0o700, uid: 0, gid: 0 });
        else if (content.startsWith('->')) tar.entry({ name, type: 'symlink', linkname: content.slice(2) });
        else tar.entry({ name, mode: 0o644, uid: 0, gid: 0 }, content);
      }
      tar.finalize();
      return Readable.from(tar);
    },
  };
  return { engine, put };
}

async function entriesOf(bytes: Buffer): Promise<string[]> {
  const found: string[] = [];
  const tar = extract();
  Readable.from([bytes]).pipe(tar);
  for await (const entry of tar) {
    const { name, uid, gid, mode = 0, linkname }: Header = entry.header;
    const content = (await buffer(entry)).toString();
    found.push([name, `${uid}:${gid}`, mode.toString(8), linkname ?? content].join(' ').trim());
  }
  return found;
}

const owner = { uid: 10001, gid: 10001 };
const give = (engine: EngineClient, paths: readonly string[], most?: { bytes: number; entries: number }) =>
  giveFolders({ engine, spoolDir, ...(most && { most }) }, 'c', paths, owner, AbortSignal.timeout(20_000));
const app: readonly Entry[] = [
  ['app/'],
  ['app/bot.py', 'print(1)'],
  ['app/link', '->bot.py'],
  ['app/sub/'],
  ['app/sub/x', ''],
];

it('gives folders with all that is in them, and puts back what was read', async () => {
  const { engine, put } = engineWith({ '/srv/app': app, '/root': [['root/']] });
  expect(await give(engine, ['/srv/app/', '/root', '/srv/app/sub'])).toEqual([
    { path: '/srv/app', given: 'whole' },
    { path: '/root', given: 'whole' },
  ]);
  expect(put).toEqual([
    {
      at: '/srv',
      entries: [
        'app/ 10001:10001 700',
        'app/bot.py 10001:10001 644 print(1)',
        expect.stringMatching(/^app\/link 10001:10001 \d+ bot.py$/),
        'app/sub/ 10001:10001 700',
        'app/sub/x 10001:10001 644',
      ],
    },
    { at: '/', entries: ['root/ 10001:10001 700'] },
  ]);
  expect(readdirSync(spoolDir)).toEqual([]);
});

it('gives only the folder itself where there is more than it may read, and nothing where there is no folder', async () => {
  const { engine, put } = engineWith({ '/app': app, '/link': [['link', '->/real']] });
  expect(await give(engine, ['/app', '/link', '/none', '/'], { bytes: 1000, entries: 3 })).toEqual([
    { path: '/app', given: 'folder' },
    { path: '/link', given: 'not' },
    { path: '/none', given: 'not' },
    { path: '/', given: 'not' },
  ]);
  expect(await give(engine, ['/app'], { bytes: 7, entries: 100 })).toEqual([{ path: '/app', given: 'folder' }]);
  expect(put).toEqual(Array.from({ length: 2 }, () => ({ at: '/', entries: ['app/ 10001:10001 700'] })));
  expect(readdirSync(spoolDir)).toEqual([]);
});
