/** package-lock.json is right for users of every system, not only for its author's. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type LockFile, lockMistakes } from '../../scripts/lock/lock-file.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';

it('package-lock.json has an entry for every optional package, the versions of package.json, and no address', () => {
  const read = (path: string) => JSON.parse(readFileSync(checkoutPath(path), 'utf8'));
  const lock: LockFile = read('package-lock.json');
  expect(lockMistakes(lock, read('package.json')), 'cure: npm run complete-lock').toEqual([]);
});
