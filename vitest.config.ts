import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/test/longest-first.ts';

// Each slot has a Docker engine of its own (test/kit/global-setup.ts). Files wait more than they compute, so two of them run
// at a time even where vitest would take one; more than two would be more engines than their tests are worth. An engine that
// the caller names is one: there, files run one after the other.
const maxWorkers = process.env['BOTRUNNER_TEST_DOCKER_HOST'] ? 1 : 2;

export default defineConfig({
  test: {
    include: ['{common,orchestrator,worker,cli,test,scripts,examples}/**/*.test.ts'],
    globalSetup: ['test/kit/global-setup.ts'],
    setupFiles: ['test/kit/leave-nothing/setup.ts'],
    maxWorkers,
    sequence: { sequencer: LongestFirst },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
