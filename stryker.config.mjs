// Mutation testing of what decides and remembers, and of the runner and the sweep: every line is broken
// in turn, and a test must fail. `npm run mutate`; takes over an hour. The last result stands in test/README.md.

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
const options = {
  mutate: ['state/*.ts', 'agent/{runner,reconcile,suspects,verdict,budget,token-bucket}.ts'],
  testRunner: 'vitest',
  vitest: { configFile: 'stryker.vitest.config.ts' },
  coverageAnalysis: 'perTest',
  reporters: ['clear-text', 'progress'],
  concurrency: 2,
  timeoutMS: 30_000,
  thresholds: { high: 95, low: 90, break: 90 },
  // TypeScript 7 lacks the call that rewriting a tsconfig needs; ours needs no rewriting.
  tsconfigFile: 'tsconfig.none.json',
  tempDirName: '.stryker-tmp',
  ignorePatterns: ['dist', 'docs', 'systemd'],
}

// biome-ignore lint/style/noDefaultExport: Stryker reads the default export.
export default options
