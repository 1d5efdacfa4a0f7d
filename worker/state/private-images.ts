/** The file that remembers which of the engine's images were pulled with a login, and for whom. */
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { readFileIfAny, writeFileAtomic } from './atomic-file.ts';

/** Images by their repo digest, as in plainName(): REPOSITORY@sha256:DIGEST. */
export interface PrivateImages {
  /** The users who have proved to its registry that they may have the image; undefined if nobody needs to. */
  usersOf(repoDigest: string): readonly string[] | undefined;
  /** The registry gave it to this user, for a login. */
  addUser(repoDigest: string, userId: string): Promise<void>;
  /** The registry gives it to everybody. */
  markPublic(repoDigest: string): Promise<void>;
}

/** Repo digests, each with its users. */
type Entries = Readonly<Record<string, readonly string[]>>;

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
  return {
    usersOf: (repoDigest) => entries.get(repoDigest),
    addUser(repoDigest, userId) {
      const users = entries.get(repoDigest) ?? [];
      if (!users.includes(userId)) {
        entries.set(repoDigest, [...users, userId]);
        changes += 1;
      }
      return saveAll();
    },
    markPublic(repoDigest) {
      if (entries.delete(repoDigest)) changes += 1;
      return saveAll();
    },
  };
}
