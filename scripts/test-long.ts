/**
 * Runs the suites that take too long for each run, files whose names end in ".long.test.ts": npm run test:long [-- vitest's arguments: a path, ...]
 * They print as npm test does.
 */
process.env['BOTRUNNER_TEST_LONG'] = '1';
await import('./test.ts');
