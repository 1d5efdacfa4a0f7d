/** How many connections there may be: what the system lets the process open, less what it opens for itself. */
import { readFileSync } from 'node:fs';

const most = 20_000;
// The store, its workers, the files of a log, and connections to others.
const forItself = 256;
const least = 64;

export function mostConnections(): number {
  return Math.max(least, Math.min(most, openFilesMax() - forItself));
}

/** Where it cannot be read, what every system has. Node.js raises the soft limit to the hard one. */
function openFilesMax(): number {
  try {
    const [, hard = ''] =
      /^Max open files +\d+ +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return hard === 'unlimited' ? most + forItself : Number(hard) || 1024;
  } catch {
    return 4096;
  }
}
