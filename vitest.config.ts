import { defineConfig } from 'vitest/config';

const slow = { testTimeout: 120_000, hookTimeout: 120_000 };

/** unit: beside the code, seconds. api: the real server over a socket. models: needs the bundled weights. faults: kills and limits. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
          testTimeout: 20_000,
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
