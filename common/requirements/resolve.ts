/** Paths in a bot's folder as files in it name them. Pure. */
import { brokenPathRule } from '../safe-path.ts';

/** The path that `target` means in the file `from`; undefined for one that leads out of the folder. */
export function resolveInFolder(from: string, target: string): string | undefined {
  const segments = from.split('/').slice(0, -1);
  for (const segment of target.replaceAll('\\', '/').split('/')) {
    if (segment === '' && segments.length === 0) return undefined;
    if (segment === '.' || segment === '') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  const path = segments.join('/');
  return target.startsWith('/') || brokenPathRule(path) !== undefined ? undefined : path;
}
