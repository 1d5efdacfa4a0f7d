import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/test/longest-first.ts';

// Each slot has a Docker engine of its own (test/kit/global-setup.ts). The long files wait more than they compute: with all that they
// start they use 0.4 to 0.5 of a core, so that three of them fit two cores. An engine that the caller names is one: there, files run
// one after the other.
const maxWorkers = process.env['BOTRUNNER_TEST_DOCKER_HOST'] ? 1 : 3;

// Suites that take too long for each run (CONTRIBUTING.md): npm run test:long.
const files = process.env['BOTRUNNER_TEST_LONG'] === '1' ? '*.long.test.ts' : '!(*.long).test.ts';

export default defineConfig({
  test: {
    include: [`{common,orchestrator,worker,cli,test,scripts,examples}/**/${files}`],
    globalSetup: ['test/kit/global-setup.ts'],
    setupFiles: ['test/kit/leave-nothing/setup.ts'],
    maxWorkers,
    sequence: { sequencer: LongestFirst },
    // Of the programs that tests start. What the firewall does and what measures disks have tests of their own, and take containers and time.
    env: { EGRESS: 'open', DISK_LIMITS: 'off' },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
