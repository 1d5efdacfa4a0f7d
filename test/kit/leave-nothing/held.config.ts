/** A test run that holds a nats-server until it is ended: for leave-nothing.test.ts. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/kit/leave-nothing/held.ts'],
    setupFiles: ['test/kit/leave-nothing/setup.ts'],
    testTimeout: 120_000,
  },
});
