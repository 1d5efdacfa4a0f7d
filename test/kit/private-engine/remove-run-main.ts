/** Started by a run's keeper when the test process has gone without removing its engine: `node remove-run-main.ts DIR`. */
import { removeRun } from './engine-run.ts';

const [, , dir] = process.argv;
if (!dir) throw new Error('usage: remove-run-main.ts DIR');
await removeRun(dir);
