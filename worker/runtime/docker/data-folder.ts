/**
 * The volume behind a bot's /data: its owner, and its removal. Simple images have a /data of the bot's user, which the
 * engine copies to a new volume; other images have none, and the volume would be root's.
 */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { type BotKey, volumeName } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { dataDir } from '../../images/dockerfile.ts';
import { labelNames } from '../labels.ts';
import { record, texts } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** Makes /data of a created container the property of the user that it will run as: "user" or "user:group", names or numbers. */
export async function giveDataFolder(
  engine: EngineClient,
  id: string,
  user: string,
  signal: AbortSignal,
): Promise<void> {
  const owner = await ownerOf(engine, id, user, signal);
  // The engine will refuse to start it, and say why.
  if (owner === undefined) return;
  const tar = pack();
  tar.entry({ name: `${dataDir.slice(1)}/`, type: 'directory', mode: 0o755, ...owner });
  tar.finalize();
  const upload = Readable.from([await buffer(Readable.from(tar))]);
  const path = `/containers/${id}/archive`;
  await buffer(await engine.stream({ method: 'PUT', path, query: { path: '/' }, upload }, signal));
}

interface FolderOwner {
  readonly uid: number;
  readonly gid: number;
}

// The engine's own way, copyUIDGID, looks names up on the host and not in the image.
async function ownerOf(
  engine: EngineClient,
  id: string,
  user: string,
  signal: AbortSignal,
): Promise<FolderOwner | undefined> {
  const [name = '', group = ''] = user.split(':');
  const known = /^\d+$/.test(name) ? { uid: Number(name), gid: 0 } : userIn(await passwd(engine, id, signal), name);
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
  const query = { path: '/etc/passwd' };
  const tar = extract();
  try {
    const answer = await engine.stream({ method: 'GET', path: `/containers/${id}/archive`, query }, signal);
    answer.on('error', (error) => tar.destroy(error));
    answer.pipe(tar);
    for await (const entry of tar) {
      const { type, size = 0 } = entry.header;
      return type === 'file' && size <= passwdMaxBytes ? (await buffer(entry)).toString() : '';
    }
    return '';
  } catch (error) {
    if (hasStatus(error, 404)) return '';
    throw error;
  } finally {
    tar.destroy();
  }
}

/** As ContainerRuntime.removeVolume. */
export async function removeBotVolume(
  engine: EngineClient,
  owner: { readonly key: BotKey; readonly workerId: string },
  signal: AbortSignal,
): Promise<void> {
  const path = `/volumes/${volumeName(owner.key)}`;
  try {
    const labels = texts(record(await engine.call({ method: 'GET', path }, signal))['Labels']);
    if (labels[labelNames.workerId] !== owner.workerId) return;
    await engine.call({ method: 'DELETE', path }, signal);
  } catch (error) {
    if (hasStatus(error, 404)) return;
    if (hasStatus(error, 409)) refuse('CONTAINER_ERROR', 'The data of the bot is still in use.', { cause: error });
    throw error;
  }
}
