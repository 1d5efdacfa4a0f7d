/**
 * Who owns a bot's /data. The volume belongs to the user that last used it: an older version of the bot, or of the
 * platform, may have run as another one. Root needs nothing: it reads and writes what anyone owns.
 */
import { buffer } from 'node:stream/consumers';
import type { Header } from 'tar-stream';
import { volumeName } from '#common/ids.ts';
import { dataDir } from '../../images/dockerfile.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import type { DataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';
import { type FolderOwner, giveFolder, giveVolume, type HandOverDeps, handOver } from './hand-over.ts';
import { readArchive } from './read-archive.ts';

export interface CreatedContainer {
  /** The created container. */
  readonly id: string;
  /** Who it will run as: "user" or "user:group", names or numbers; empty is root. */
  readonly user: string;
  readonly plan: ContainerPlan;
  /** Nobody has had a hand in the folder since the last container of the bot was removed, by all that is known. */
  readonly isAsLeft: boolean;
}

export interface DataFolderDeps extends HandOverDeps {
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
  const data = { name: volume, at: dataDir };
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
      await handOver(deps, plan, owner, [data], signal);
    }
  } else if (folder !== undefined && folder.uid !== owner.uid) {
    // What is in it first: an interrupted change is started over as long as the folder itself is another's.
    if (first !== undefined) await handOver(deps, plan, owner, [data], signal);
    const mode = folder.mode ?? 0o755;
    if (plan.readOnly) await giveVolume(deps, plan, owner, data, mode, signal);
    else await giveFolder(engine, id, dataDir, owner, mode, signal);
  }
  owners.set(volume, owner.uid);
  return owner;
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
