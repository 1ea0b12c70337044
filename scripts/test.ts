// `npm test [-- PATH…]`: every suite in the table of test/README.md, each within its minutes, in two
// lanes side by side: those that need Docker on the host as it is, all others in namespaces of their
// own (network, mounts, processes), so that neither meets the other. What a suite has to say is shown
// when it is over. The last line of stdout is the sum, alone: `N passed, N failed[, N skipped]`.
//
//   suite ─▶ vitest (its report, its counts in a JSON file) ─▶ sum ─▶ exit code

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Suite } from './suites.ts'
import { filesOf, ROOT, readSuites } from './suites.ts'

type Counts = { passed: number; failed: number; skipped: number }

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort())
}

/**
 * Namespaces of its own, with a loopback that is up and an empty /run: what a suite makes is met by
 * nobody, and goes with its last process. `--kill-child`: that is at our word, too.
 */
const APART = [
  ...['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['--propagation', 'private', 'sh', '-c'],
  'ip link set lo up && mount -t tmpfs none /run && mkdir /run/netns /run/lock && exec "$@"',
  'apart',
]

/** Docker is reached by the host's own socket, and makes its containers' namespaces there. */
const isApart = ({ needs }: Suite): boolean => process.getuid?.() === 0 && !needs.includes('docker')

/** Runs one suite. A suite that cannot run, or runs out of its minutes, counts as one failure. */
async function runSuite(suite: Suite, report: string): Promise<Counts> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const command = [process.execPath, vitest, 'run', ...reporters, ...filesOf(suite)]
  const [program = '', ...args] = isApart(suite) ? [...APART, ...command] : command
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: '1' },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  let late = false
  const timer = setTimeout(() => {
    late = true
    // SIGTERM first, so that the tests' own clean-up runs.
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 20_000).unref()
  }, suite.minutes * 60_000)
  const forward = () => child.kill('SIGINT')
  interrupted.signal.addEventListener('abort', forward)
  const code = await new Promise<number>((resolve) => {
    child.once('error', () => resolve(127))
    child.once('close', (status) => resolve(status ?? 1))
  })
  clearTimeout(timer)
  interrupted.signal.removeEventListener('abort', forward)

  console.log(`\n── ${suite.path}\n${said.trimEnd()}`)
  const counts = read(report)
  if (late) console.log(`${suite.path}: not done within its ${suite.minutes} minutes`)
  // A file that does not load, an error outside of any test: vitest fails, no test does.
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  return counts
}

function read(report: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  if (!existsSync(report)) return counts
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { status: string; assertionResults: { status: string }[] }[]
  }
  for (const file of testResults) {
    const statuses = file.assertionResults.map(({ status }) => status)
    counts.passed += statuses.filter((status) => status === 'passed').length
    counts.failed += statuses.filter((status) => status === 'failed').length
    counts.skipped += statuses.filter((status) => !['passed', 'failed'].includes(status)).length
    if (file.status === 'failed' && !statuses.includes('failed')) counts.failed += 1
  }
  return counts
}

async function main(wanted: readonly string[]): Promise<number> {
  const all = readSuites()
  const unknown = wanted.find((path) => !all.some((suite) => suite.path === path))
  if (unknown !== undefined) {
    console.error(`${unknown} is no suite. Known: ${all.map(({ path }) => path).join(', ')}`)
    return 2
  }
  const suites = wanted.length === 0 ? all : all.filter(({ path }) => wanted.includes(path))
  const folder = mkdtempSync(join(tmpdir(), 'enid-test-'))
  const sum: Counts = { passed: 0, failed: 0, skipped: 0 }
  const lines: string[] = []
  const runLane = async (lane: readonly Suite[]): Promise<void> => {
    for (const suite of lane) {
      if (interrupted.signal.aborted) return
      console.log(`… ${suite.path} (at most ${suite.minutes} min)`)
      const startedAt = performance.now()
      const counts = await runSuite(suite, join(folder, `${suites.indexOf(suite)}.json`))
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      sum.passed += counts.passed
      sum.failed += counts.failed
      sum.skipped += counts.skipped
      lines.push(`${suite.path.padEnd(24)} ${inWords(counts)} in ${seconds} s`)
    }
  }
  const lanes = [true, false].map((apart) => suites.filter((suite) => isApart(suite) === apart))
  await Promise.all(lanes.map(runLane))
  rmSync(folder, { recursive: true })
  if (interrupted.signal.aborted) sum.failed += 1
  console.log(`\n${lines.join('\n')}\n\n${inWords(sum)}`)
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1
}

const inWords = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`

process.exitCode = await main(process.argv.slice(2))
