/** What is wrong with a disk, by the error of a program that could not write to it. Pure. */

type Fault = 'full' | 'read_only' | 'forbidden' | 'failing';

export const diskFaultSentences: Readonly<Record<Fault, string>> = {
  full: 'the disk that holds DATA_DIR is full: free some space on it',
  read_only: 'the disk that holds DATA_DIR cannot be written to: mount it for writing',
  forbidden: 'no permission to write: fix the owner of DATA_DIR and of what is in it',
  failing: "the disk that holds DATA_DIR is failing: see the system's log",
};

const faultsOfSystem: Readonly<Record<string, Fault>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'read_only',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EIO: 'failing',
};

/** https://www.sqlite.org/rescode.html; the lower eight bits of a code are its primary code. */
const faultsOfSqlite: Readonly<Record<number, Fault>> = { 8: 'read_only', 10: 'failing', 13: 'full', 14: 'forbidden' };

/** Calls that write; the same codes mean other things where a program is started or a socket is opened. */
const writing =
  /^(?:open|write|mkdir|mkdtemp|rename|link|symlink|unlink|rm|rmdir|fsync|fdatasync|ftruncate|truncate|copyfile|chmod|utime|futime|lutime)/;

/** Undefined for an error that is not about a disk. Also looks at the error's causes. */
export function diskFaultOf(error: unknown): Fault | undefined {
  for (let [at, depth] = [error, 0]; at instanceof Error && depth < 5; [at, depth] = [at.cause, depth + 1]) {
    const { code, syscall, errcode } = at as NodeJS.ErrnoException & { readonly errcode?: number };
    if (errcode !== undefined) return faultsOfSqlite[errcode & 0xff];
    if (code !== undefined && (syscall === undefined || writing.test(syscall))) {
      const fault = Object.hasOwn(faultsOfSystem, code) ? faultsOfSystem[code] : undefined;
      const needsCall = fault === 'forbidden' || fault === 'failing';
      if (fault !== undefined && (!needsCall || syscall !== undefined)) return fault;
    }
  }
  return undefined;
}
