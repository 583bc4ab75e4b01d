import { defineConfig } from 'vitest/config';

/** They end what hangs; nothing of the product is judged by them. On a busy machine the same work takes many times as long. */
const expect = { poll: { timeout: 20_000 } };
const slow = { testTimeout: 300_000, hookTimeout: 300_000, expect };

/** unit: beside the code, seconds. api: the real server over a socket. models: needs the bundled weights. faults: kills and limits. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect,
        },
      },
      {
        test: {
          name: 'models',
          include: ['test/models/**/*.test.ts', 'test/conformance/**/*.test.ts'],
          ...slow,
        },
      },
      { test: { name: 'api', include: ['test/api/**/*.test.ts'], ...slow } },
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], ...slow } },
    ],
  },
});
