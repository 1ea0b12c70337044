// The tests that Stryker runs against each mutant of the core: those of the core alone.

import { defineConfig } from 'vitest/config'

const config = defineConfig({
  test: {
    include: [
      'test/state/{task,crash,status,journal}.test.ts',
      'test/agent/{runner,runner-moments,reconcile,budget,drain}.test.ts',
    ],
    testTimeout: 30_000,
  },
})

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config
