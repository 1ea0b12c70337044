// The tests that Stryker runs against each mutant: those of the core, the runner and the sweep.

import { defineConfig } from 'vitest/config'

const config = defineConfig({
  test: {
    include: [
      'test/state/{task,crash,status,journal}.test.ts',
      'test/agent/{runner,runner-moments,reconcile,budget,drain,known-host,reboot}.test.ts',
    ],
    testTimeout: 30_000,
  },
})

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config
