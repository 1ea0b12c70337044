// The tests that Stryker runs against each mutant: those of the core, the runner and the sweep, and the
// simulation with a few seeds.

import { defineConfig } from 'vitest/config'

const config = defineConfig({
  test: {
    env: { SIM_SEEDS: '40' },
    include: [
      'test/sim/sim.test.ts',
      'test/state/{task,crash,status,journal}.test.ts',
      'test/agent/{runner,runner-moments,reconcile,budget,drain}.test.ts',
    ],
    testTimeout: 30_000,
  },
})

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default config
