// How every suite runs. Nothing is retried and nothing is hidden: a flaky test is a failing test.
// Files run one after another because most suites share one machine: its links, its Docker, its
// nftables. scripts/check.ts runs the pure ones side by side with --fileParallelism.

import { defineConfig } from 'vitest/config'

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    fileParallelism: false,
    retry: 0,
    passWithNoTests: false,
    allowOnly: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
