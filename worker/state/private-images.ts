/** The file that remembers which of the engine's images were pulled with a login, and for whom. */
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { readFileIfAny, writeFileAtomic } from './atomic-file.ts';

/** Images by their repo digest, as in plainName(): REPOSITORY@sha256:DIGEST. */
export interface PrivateImages {
  /** The users who have proved to its registry that they may have the image; undefined if nobody needs to. */
  usersOf(repoDigest: string): readonly string[] | undefined;
  /**
   * A pull with a login begins. Until `end` is called, by a later process if this one is killed, an image of that repository of which
   * nothing else is known counts as this user's: the engine has it before anybody can note its digest. `leave`: the pull is over, but what
   * came of it is not known, and so that stays.
   */
  beginPull(
    repository: string,
    userId: string,
  ): Promise<{ readonly end: () => Promise<void>; readonly leave: () => void }>;
  /** The registry gave it to this user, for a login. */
  addUser(repoDigest: string, userId: string): Promise<void>;
  /** The registry gives it to everybody. */
  markPublic(repoDigest: string): Promise<void>;
  /**
   * Forgets images that the engine has no more, of the user and of those that everybody may have: whoever wants such a one asks its registry.
   * Only if many are known, and only a few each time, others the next time: with one call for each pull, what is known stays in
   * proportion to what the engine has. `isAbsent` gets a repo digest or a repository. Rejects when it does.
   */
  forgetAbsent(userId: string, isAbsent: (name: string) => Promise<boolean>): Promise<void>;
}

/** Repo digests, each with its users; repositories, without a digest, each with the users whose pulls have not ended. */
type Entries = Readonly<Record<string, readonly string[]>>;

/** In place of users: an image of a repository with pulls that never ended, which the registry gives to everybody. */
const everybody = '*';

/** So many of one user are kept without a look at the engine. */
export const fewOfUser = 16;
/** A pull adds two at most, so that more go than come. */
const lookedAtOnce = 4;

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
  const entries = new Map<string, readonly string[]>();
  /** The keys of entries by user; those looked at longest ago first. */
  const ofUser = new Map<string, Set<string>>();
  const put = (key: string, users: readonly string[]) => {
    for (const user of entries.get(key) ?? []) {
      const own = ofUser.get(user);
      if (!users.includes(user)) own?.delete(key);
      if (own?.size === 0) ofUser.delete(user);
    }
    for (const user of users) ofUser.set(user, (ofUser.get(user) ?? new Set()).add(key));
    if (users.length > 0) entries.set(key, users);
    else entries.delete(key);
  };
  for (const [key, users] of Object.entries(kept)) put(key, users);
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
  /** Pulls under way, by repository and user; those of a process that was killed are not among them and never end. */
  const pulls = new Map<string, Map<string, number>>();
  const endOne = (repository: string, userId: string): void => {
    const own = pulls.get(repository);
    const others = (own?.get(userId) ?? 1) - 1;
    if (others > 0) own?.set(userId, others);
    else own?.delete(userId);
    if (own?.size === 0) pulls.delete(repository);
  };
  /** Of which of them something may have come that is not known, by repository. */
  const left = new Map<string, Set<string>>();
  const leave = (repository: string, userId: string) =>
    left.set(repository, (left.get(repository) ?? new Set()).add(userId));
  /** An engine may write out the registry that it found a short name at. */
  const unendedOf = (repoDigest: string): readonly string[] | undefined => {
    let name = repoDigest.split('@')[0] ?? '';
    for (;;) {
      const users = entries.get(name);
      const slash = name.indexOf('/');
      if (users !== undefined || slash < 0) return users;
      name = name.slice(slash + 1);
    }
  };
  const add = (key: string, userId: string) => {
    const users = entries.get(key) ?? [];
    // Another list in any case: whoever looks at the engine meanwhile sees that something came.
    put(key, [...users.filter((user) => user !== everybody && user !== userId), userId]);
    if (!users.includes(userId)) changes += 1;
  };
  const end = (repository: string, userId: string) => {
    endOne(repository, userId);
    if (pulls.get(repository)?.has(userId) || left.get(repository)?.has(userId)) return Promise.resolve();
    put(
      repository,
      (entries.get(repository) ?? []).filter((user) => user !== userId),
    );
    changes += 1;
    return saveAll();
  };
  return {
    usersOf(repoDigest) {
      const users = entries.get(repoDigest) ?? unendedOf(repoDigest);
      return users?.includes(everybody) ? undefined : users;
    },
    async beginPull(repository, userId) {
      const own = pulls.get(repository) ?? new Map<string, number>();
      if (!own.has(userId) && entries.get(repository)?.includes(userId)) leave(repository, userId);
      pulls.set(repository, own.set(userId, (own.get(userId) ?? 0) + 1));
      add(repository, userId);
      await saveAll();
      return {
        end: () => end(repository, userId),
        leave() {
          leave(repository, userId);
          endOne(repository, userId);
        },
      };
    },
    addUser(repoDigest, userId) {
      add(repoDigest, userId);
      return saveAll();
    },
    markPublic(repoDigest) {
      if (unendedOf(repoDigest) !== undefined) {
        put(repoDigest, [everybody]);
        changes += 1;
      } else if (entries.has(repoDigest)) {
        put(repoDigest, []);
        changes += 1;
      }
      return saveAll();
    },
    async forgetAbsent(userId, isAbsent) {
      for (const user of [userId, everybody]) {
        const own = ofUser.get(user);
        if (own === undefined || own.size <= fewOfUser) continue;
        for (const key of [...own].slice(0, lookedAtOnce)) {
          const users = entries.get(key);
          own.delete(key);
          own.add(key);
          if (!(await isAbsent(key)) || pulls.has(key) || entries.get(key) !== users) continue;
          put(key, []);
          left.delete(key);
          changes += 1;
        }
      }
      await saveAll();
    },
  };
}
