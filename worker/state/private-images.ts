/** The file that remembers which of the engine's images were pulled with a login, and for whom. */
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { readFileIfAny, writeFileAtomic } from './atomic-file.ts';

/** Images by their repo digest, as in plainName(): REPOSITORY@sha256:DIGEST. */
export interface PrivateImages {
  /** The users who have proved to its registry that they may have the image; undefined if nobody needs to. */
  usersOf(repoDigest: string): readonly string[] | undefined;
  /**
   * A pull with a login begins. Until `end` is called, by a later process if this one is killed, an image of that repository of which
   * nothing else is known counts as this user's: the engine has it before anybody can note its digest.
   */
  beginPull(repository: string, userId: string): Promise<{ readonly end: () => Promise<void> }>;
  /** The registry gave it to this user, for a login. */
  addUser(repoDigest: string, userId: string): Promise<void>;
  /** The registry gives it to everybody. */
  markPublic(repoDigest: string): Promise<void>;
}

/** Repo digests, each with its users; repositories, without a digest, each with the users whose pulls have not ended. */
type Entries = Readonly<Record<string, readonly string[]>>;

/** In place of users: an image of a repository with pulls that never ended, which the registry gives to everybody. */
const everybody = '*';

/** `former` is asked once, when there is no file yet: images that may have been pulled with a login, and for whom. */
export async function openPrivateImages(path: string, former: () => Promise<Entries>): Promise<PrivateImages> {
  const save = (entries: Entries) => writeFileAtomic(path, JSON.stringify(entries));
  const text = (await readFileIfAny(path))?.toString();
  // Written by save, whole or not at all.
  const kept = text === undefined ? await former() : (JSON.parse(text) as Entries);
  if (text === undefined) await save(kept);
  return createPrivateImages(kept, save);
}

/** `save` gets all entries after each change, one call at a time; what it failed to keep is in its next call. */
export function createPrivateImages(kept: Entries, save: (entries: Entries) => Promise<void>): PrivateImages {
  const entries = new Map(Object.entries(kept));
  const saving = new SerialQueue();
  let changes = 0;
  let saved = 0;
  /** Resolves when all changes so far are kept. */
  const saveAll = () =>
    saving.run(async () => {
      const latest = changes;
      if (saved === latest) return;
      await save(Object.fromEntries(entries));
      saved = latest;
    });
  /** Pulls under way; those of a process that was killed are not among them and never end. */
  const pulls = new Map<string, number>();
  /** An engine may write out the registry that it found a short name at. */
  const unendedOf = (repoDigest: string): readonly string[] | undefined => {
    const repository = repoDigest.split('@')[0] ?? '';
    const key = [...entries.keys()].find((name) => repository === name || repository.endsWith(`/${name}`));
    return key === undefined ? undefined : entries.get(key);
  };
  const add = (key: string, userId: string) => {
    const users = entries.get(key) ?? [];
    if (users.includes(userId)) return;
    entries.set(key, [...users.filter((user) => user !== everybody), userId]);
    changes += 1;
  };
  const end = (repository: string, userId: string) => {
    const pull = `${repository} ${userId}`;
    const others = (pulls.get(pull) ?? 1) - 1;
    if (others > 0) {
      pulls.set(pull, others);
      return Promise.resolve();
    }
    pulls.delete(pull);
    const users = (entries.get(repository) ?? []).filter((user) => user !== userId);
    if (users.length > 0) entries.set(repository, users);
    else entries.delete(repository);
    changes += 1;
    return saveAll();
  };
  return {
    usersOf(repoDigest) {
      const users = entries.get(repoDigest) ?? unendedOf(repoDigest);
      return users?.includes(everybody) ? undefined : users;
    },
    async beginPull(repository, userId) {
      const pull = `${repository} ${userId}`;
      const isLeft = !pulls.has(pull) && entries.get(repository)?.includes(userId) === true;
      pulls.set(pull, (pulls.get(pull) ?? 0) + 1);
      add(repository, userId);
      await saveAll();
      return { end: () => (isLeft ? Promise.resolve() : end(repository, userId)) };
    },
    addUser(repoDigest, userId) {
      add(repoDigest, userId);
      return saveAll();
    },
    markPublic(repoDigest) {
      if (unendedOf(repoDigest) !== undefined) {
        entries.set(repoDigest, [everybody]);
        changes += 1;
      } else if (entries.delete(repoDigest)) changes += 1;
      return saveAll();
    },
  };
}
