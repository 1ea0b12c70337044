// `npm run build`: the whole of enid in dist/, ready to be copied anywhere Node 24 runs.
//
//   dist/enid.mjs            the command; the lab is among the chunks that it loads lazily
//   dist/agent-main.mjs      the agent, which loads each AWS SDK when it is first needed: built apart, so
//                            that it shares no chunk with the lab, which has all of EC2's SDK
//   dist/kernel-worker.js    the threads that enter namespaces, started by path: bundles of their own
//   dist/fabric-thread.js
//   dist/node_modules/       the two packages that are machine code, for this machine's architecture

import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildOptions, Plugin } from 'esbuild'
import { build } from 'esbuild'
import { ROOT } from './suites.ts'

const DIST = join(ROOT, 'dist')

/** What dockerode loads for Docker over SSH and for BuildKit, and swagger for YAML: enid uses none. */
const ABSENT = /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader|yaml)$/

/** Puts an empty module where an absent one is asked for. */
const withoutAbsent: Plugin = {
  name: 'without-absent',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: ABSENT }, ({ path }) => ({ path, namespace: 'absent' }))
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/**
 * The SDKs name the keys of their schemas by constants, `{ [_xN]: … }`. A computed key might call
 * something, so every schema that has one stays, whoever uses it: 1.8 MB of EC2. A literal key calls
 * nothing.
 */
const literalKeys: Plugin = {
  name: 'literal-keys',
  setup({ onLoad }) {
    onLoad({ filter: /client-[a-z0-9-]+\/dist-es\/schemas\/schemas_0\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const constants = text.matchAll(/^(?:export )?const (_\w+) = ("[^"]*");$/gm)
      const literals = new Map([...constants].map(([, name = '', literal]) => [name, literal]))
      const keyOf = (whole: string, name: string) =>
        literals.has(name) ? `${literals.get(name)}:` : whole
      return { contents: text.replace(/\[(_\w+)\]:/g, keyOf) }
    })
  },
}

/**
 * To import node:http as a module is to read all that it exports, and that loads Node's WebSocket and
 * fetch: 0.1 s, for what nobody uses. To require it is not.
 */
const httpRequired: Plugin = {
  name: 'http-required',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'require-call' ? undefined : { path: 'node:http', namespace: 'required' },
    )
    onLoad({ filter: /.*/, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
    }))
  },
}

/** The command finds the agent beside itself instead of inside itself. */
const agentApart: Plugin = {
  name: 'agent-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.\/agent\/(main|config)\.ts$/ }, ({ path }) => ({
      path: path.replace(/^.*\/(\w+)\.ts$/, './agent-$1.mjs'),
      external: true,
    }))
  },
}

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  absWorkingDir: ROOT,
  external: ['better-sqlite3', 'koffi'],
  plugins: [withoutAbsent, literalKeys, httpRequired],
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
  const inParts: BuildOptions = {
    ...{ ...common, outdir, outExtension: { '.js': '.mjs' } },
    ...{ splitting: true, chunkNames: 'part-[hash]' },
  }
  const plugins = [...(common.plugins ?? []), agentApart]
  await build({ ...inParts, plugins, entryPoints: { enid: 'cli/main.ts' } })
  const agent = { 'agent-main': 'agent/main.ts', 'agent-config': 'agent/config.ts' }
  await build({ ...inParts, entryPoints: agent })
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
