import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{common,orchestrator,worker,cli,test,scripts,examples}/**/*.test.ts'],
    globalSetup: ['test/kit/global-setup.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
