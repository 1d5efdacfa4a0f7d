/**
 * Fills in what npm left out of package-lock.json (see lock/lock-file.ts). Run it after every `npm install` that
 * changes the lock: npm run complete-lock
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { completed, type LockFile, missingOptionals } from './lock/lock-file.ts';

const path = fileURLToPath(new URL('../package-lock.json', import.meta.url));
// npm wrote the file; lockfileVersion is looked at below before anything else is.
const lock = JSON.parse(readFileSync(path, 'utf8')) as LockFile;
if (lock.lockfileVersion !== 3) throw new Error(`package-lock.json has version ${lock.lockfileVersion}, not 3`);

const missing = missingOptionals(lock);
if (missing.length > 0) writeFileSync(path, `${JSON.stringify(completed(lock), null, 2)}\n`);
console.log(
  missing.length === 0
    ? 'package-lock.json is complete.'
    : `package-lock.json: added ${missing.map(({ name }) => name).join(', ')}.`,
);
