/**
 * Keeps compiled code on disk between runs where Node.js can (22.1 or newer). Plain JavaScript, for every Node.js there is.
 * In the user's own folder: the default, a folder in /tmp, could have been made by another user, and code comes from it.
 */
import module from 'node:module';
import { isAbsolute, join } from 'node:path';

export function enableCompileCache() {
  const { HOME, NODE_COMPILE_CACHE, XDG_CACHE_HOME } = process.env;
  // With NODE_COMPILE_CACHE it is enabled already; NODE_DISABLE_COMPILE_CACHE is honoured by Node.js itself.
  if (module.enableCompileCache === undefined || NODE_COMPILE_CACHE) return;
  const folder = XDG_CACHE_HOME || join(HOME || '', '.cache');
  // Where it cannot write, it only does without.
  if (isAbsolute(folder)) module.enableCompileCache(join(folder, 'avtomatika-bot'));
}
