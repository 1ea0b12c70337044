// `npm run check`: what a contributor runs while working. Types, lint and the suites that need
// nothing, all at once; no root, under ten seconds. Only what failed is shown.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { filesOf, ROOT, readSuites } from './suites.ts'

const bin = (name: string) => join(ROOT, 'node_modules', '.bin', name)
const pure = readSuites()
  .filter(({ needs }) => needs === 'nothing')
  .flatMap(filesOf)

const TYPES_SEEN = 'node_modules/.cache/enid/tsc.tsbuildinfo'

// Name, program, arguments. Biome also knows the formatting; tsc is the native compiler.
const CHECKS: readonly (readonly [string, string, readonly string[]])[] = [
  ['lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  // What was checked before and has not changed is not checked again.
  ['types', bin('tsc'), ['-p', 'tsconfig.json', '--incremental', '--tsBuildInfoFile', TYPES_SEEN]],
  [
    'pure tests',
    bin('vitest'),
    ['run', '--fileParallelism', '--no-isolate', '--reporter=minimal', ...pure],
  ],
]

/** Runs one check; true where it passed. */
function runCheck([name, program, args]: (typeof CHECKS)[number]): Promise<boolean> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', (error) => {
      output += `${error.message}: run npm ci\n`
    })
    child.once('close', (code) => {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      if (code !== 0) console.log(output.trimEnd())
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`)
      resolve(code === 0)
    })
  })
}

const passed = await Promise.all(CHECKS.map(runCheck))
process.exitCode = passed.every(Boolean) ? 0 : 1
