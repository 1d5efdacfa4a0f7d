/**
 * Runs the tests of what is edited, again after each change: npm run test:watch [-- vitest's arguments: a path, -t NAME, ...]
 * Without a path: those that are touched by what git says has changed. Ctrl-C or q ends it.
 */
import { interrupted } from './process/interrupted.ts';
import { run } from './process/run.ts';

const args = process.argv.slice(2);
const chosen = args.length > 0 ? args : ['--changed'];
// Its own reporter, which redraws; the keys are vitest's, so it gets the terminal.
const ended = await run('vitest', ['watch', ...chosen], { print: 'show', keyboard: true, signal: interrupted() });
process.exitCode = ended.code;
