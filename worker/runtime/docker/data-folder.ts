/**
 * Who owns a bot's /data. The volume belongs to the user that last used it: an older version of the bot, or of the
 * platform, may have run as another one. Root needs nothing: it reads and writes what anyone owns.
 */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, pack } from 'tar-stream';
import { volumeName } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { dataDir } from '../../images/dockerfile.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import type { DataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';
import { type FolderOwner, handOver } from './hand-over.ts';

export interface CreatedContainer {
  /** The created container. */
  readonly id: string;
  /** Who it will run as: "user" or "user:group", names or numbers; empty is root. */
  readonly user: string;
  readonly plan: ContainerPlan;
  /** Nobody has had a hand in the folder since the last container of the bot was removed, by all that is known. */
  readonly isAsLeft: boolean;
}

export interface DataFolderDeps {
  readonly engine: EngineClient;
  readonly logger: Logger;
  readonly owners: DataOwners;
}

/**
 * Makes /data of a created container, with all that is in it, the property of the user that it will run as, unless that is
 * root. Returns who that is; undefined for a name that the image does not know: then the engine refuses the start and says why.
 */
export async function prepareDataFolder(
  deps: DataFolderDeps,
  { id, user, plan, isAsLeft }: CreatedContainer,
  signal: AbortSignal,
): Promise<FolderOwner | undefined> {
  const { engine, owners } = deps;
  const owner = await ownerOf(engine, id, user, signal);
  const volume = volumeName(plan.key);
  // Only root can give the folder away, and the one before was not root. While it is empty the engine gives it to whom the folder of
  // the image belongs to, each time anew: in images of simple mode, to their user.
  const known = owners.of(volume);
  const isOwn = plan.run.kind === 'simple' && owner !== undefined && owner.uid !== 0 && known === owner.uid;
  if (isAsLeft && isOwn) return owner;
  owners.forget(volume);
  if (owner === undefined || owner.uid === 0) return owner;
  const [folder, first] = await firstEntries(engine, id, signal);
  // Podman reports the container's own user as the owner of every file, and of the true owner only the name. Nor does what is put
  // into a container that does not run reach the folder itself. So the helper runs at a bot's first start by this worker process, and when
  // the folder is root's.
  if ((await engine.kind(signal)) === 'podman') {
    if (folder !== undefined && (known !== owner.uid || folder.uname === 'root')) {
      await handOver(deps, plan, owner, signal);
    }
  } else if (folder !== undefined && folder.uid !== owner.uid) {
    // What is in it first: an interrupted change is started over as long as the folder itself is another's.
    if (first !== undefined) await handOver(deps, plan, owner, signal);
    await giveFolder(engine, id, owner, folder.mode ?? 0o755, signal);
  }
  owners.set(volume, owner.uid);
  return owner;
}

async function giveFolder(
  engine: EngineClient,
  id: string,
  owner: FolderOwner,
  mode: number,
  signal: AbortSignal,
): Promise<void> {
  const tar = pack();
  tar.entry({ name: `${dataDir.slice(1)}/`, type: 'directory', mode, ...owner });
  tar.finalize();
  const upload = Readable.from([await buffer(Readable.from(tar))]);
  const path = `/containers/${id}/archive`;
  await buffer(await engine.stream({ method: 'PUT', path, query: { path: '/' }, upload }, signal));
}

// The engine's own way, copyUIDGID, looks names up on the host and not in the image.
async function ownerOf(
  engine: EngineClient,
  id: string,
  user: string,
  signal: AbortSignal,
): Promise<FolderOwner | undefined> {
  const [name = '', group = ''] = user.split(':');
  if (name === '' || name === 'root') return { uid: 0, gid: 0 };
  const known = /^[+-]?\d+$/.test(name)
    ? { uid: Math.abs(Number(name)), gid: 0 }
    : userIn(await passwd(engine, id, signal), name);
  return known && (/^\d+$/.test(group) ? { ...known, gid: Number(group) } : known);
}

/** passwd(5): name:password:uid:gid:... */
function userIn(text: string, name: string): FolderOwner | undefined {
  const fields = text.split('\n').map((line) => line.split(':'));
  const [, , uid = '', gid = ''] = fields.find(([first]) => first === name) ?? [];
  return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

const passwdMaxBytes = 1024 * 1024;

/** The image's own list of users; empty when it has none that can be read. */
async function passwd(engine: EngineClient, id: string, signal: AbortSignal): Promise<string> {
  let text = '';
  await readArchive(engine, id, '/etc/passwd', signal, async ({ type, size = 0 }, content) => {
    if (type === 'file' && size <= passwdMaxBytes) text = (await buffer(content)).toString();
    return false;
  });
  return text;
}

/** /data itself and the first thing in it, as far as they are there. */
async function firstEntries(engine: EngineClient, id: string, signal: AbortSignal): Promise<readonly Header[]> {
  const found: Header[] = [];
  await readArchive(engine, id, dataDir, signal, async (header) => {
    found.push(header);
    return found.length < 2;
  });
  return found;
}

/** Reads a path of a container entry by entry until `onEntry` says false. Nothing is read when the path is absent. */
async function readArchive(
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
