// `npm run build`: the whole of enid in dist/, ready to be copied anywhere Node 24 runs.
//
//   dist/enid.mjs            the command; the agent, the lab and the SDK are chunks it loads lazily
//   dist/kernel-worker.js    the threads that enter namespaces, started by path: bundles of their own
//   dist/fabric-thread.js
//   dist/node_modules/       the two packages that are machine code, for this machine's architecture

import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildOptions, Plugin } from 'esbuild'
import { build } from 'esbuild'
import { ROOT } from './suites.ts'

const DIST = join(ROOT, 'dist')

/** What dockerode loads for Docker over SSH and for BuildKit: enid uses neither. */
const ABSENT = /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader)$/

/** Puts an empty module where an absent one is asked for. */
const withoutAbsent: Plugin = {
  name: 'without-absent',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: ABSENT }, ({ path }) => ({ path, namespace: 'absent' }))
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {}' }))
  },
}

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  absWorkingDir: ROOT,
  external: ['better-sqlite3', 'koffi'],
  plugins: [withoutAbsent],
  // The AWS SDK as ES modules: as CommonJS, an `await import()` of it would have no named exports.
  mainFields: ['module', 'main'],
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  // CommonJS packages inside an ES module still call require().
  banner: {
    js: "import{createRequire as $enidRequire}from'node:module';const require=$enidRequire(import.meta.url);",
  },
}

// koffi's own JavaScript; the rest of its package is its source in C++.
const KOFFI = ['index.js', 'src/static.js', 'src/static.cjs', 'src/trampolines.cjs']

/** The packages that stay packages, and the files of theirs that are run. */
const NATIVE: Readonly<Record<string, readonly string[]>> = {
  'better-sqlite3': ['package.json', 'LICENSE', 'lib', `prebuilds/linux-${process.arch}.node`],
  koffi: ['package.json', 'LICENSE.txt', 'index.js', ...KOFFI.map((file) => `src/koffi/${file}`)],
  [`@koromix/koffi-linux-${process.arch}`]: ['.'],
}

/** Builds everything anew into a folder. */
export async function buildAll(outdir: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true })
  await build({
    ...common,
    outdir,
    entryPoints: { enid: 'cli/main.ts' },
    outExtension: { '.js': '.mjs' },
    splitting: true,
    chunkNames: 'part-[hash]',
  })
  await build({
    ...common,
    outdir,
    entryPoints: {
      'kernel-worker': 'agent/drivers/kernel/worker.ts',
      'fabric-thread': 'lab/fabric/fabric-thread.ts',
    },
  })
  for (const [name, paths] of Object.entries(NATIVE)) {
    for (const path of paths) {
      const from = join(ROOT, 'node_modules', name, path)
      cpSync(from, join(outdir, 'node_modules', name, path), { recursive: true })
    }
  }
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string
  }
  const facts = { name: 'enid', version, type: 'module', private: true }
  writeFileSync(join(outdir, 'package.json'), `${JSON.stringify(facts, null, 2)}\n`)
}

if (import.meta.main) {
  const startedAt = performance.now()
  await buildAll(DIST)
  const kilobytes = Math.round(statSync(join(DIST, 'enid.mjs')).size / 1024)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`dist/ built in ${seconds} s; enid.mjs is ${kilobytes} kB`)
}
