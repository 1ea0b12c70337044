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
    // What is waited for happens, or the test fails: three suites share two cores with whatever else
    // runs there, and vitest's own second is too short for one line of the AWS CLI.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 90_000,
    hookTimeout: 180_000,
    teardownTimeout: 20_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
