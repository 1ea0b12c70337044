// `npm test [-- PATH…]`: every suite in the table of test/README.md, each within its minutes, a few
// side by side, the longest first. Each run has namespaces of its own (network, mounts, processes)
// and, where it needs Docker, a dockerd of its own in them: none meets another, or this machine's
// containers. What it has to say is shown when it is over. The last line of stdout is the sum, alone:
// `N passed, N failed[, N skipped]`.
//
//   suite ─▶ vitest (its report, its counts in a JSON file) ─▶ sum ─▶ exit code

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Suite } from './suites.ts'
import { filesOf, ROOT, readSuites } from './suites.ts'

type Counts = { passed: number; failed: number; skipped: number }

/** What failed, in words for the end of the output: whoever has only its tail reads the causes. */
const failures: string[] = []
/** So much of a failure's words stands there; all of them stand above, with the run. */
const FAILURE_LINES = 25

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort())
}

/** How many runs go on at once, on two cores: most of a suite's time is waiting. */
const LANES = 3
/** A suite that may take longer than this runs file by file, so that the lanes end together. */
const WHOLE_MINUTES = 10

/** What one vitest runs. */
type Run = { readonly suite: Suite; readonly files: readonly string[] }

const runsOf = (suite: Suite): Run[] => {
  const files = filesOf(suite)
  return suite.minutes <= WHOLE_MINUTES
    ? [{ suite, files }]
    : files.map((file) => ({ suite, files: [file] }))
}

const nameOf = ({ suite, files: [file = '', ...others] }: Run): string =>
  others.length === 0 ? file : suite.path

/** What a run has for itself on disk, each from a folder of its own. */
const OWN_FOLDERS = ['/var/lib/docker', '/var/lib/enid-lab']

/**
 * Namespaces of its own, with a loopback that is up, an empty /run, and the folders above from below
 * the one that is the first argument: what a run makes is met by nobody, and goes with its last
 * process. `--kill-child`: that is at our word, too.
 */
const APART = [
  ...['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['--propagation', 'private', 'sh', '-c'],
  'set -e; ip link set lo up; mount -t tmpfs none /run; mkdir /run/netns /run/lock; ' +
    `for own in ${OWN_FOLDERS.join(' ')}; do mkdir -p "$0$own" "$own"; ` +
    'mount --bind "$0$own" "$own"; done; exec "$@"',
]

/** Runs one vitest. One that cannot run, or runs out of the suite's minutes, counts as one failure. */
async function run({ suite, files }: Run, folder: string): Promise<Counts> {
  const report = join(folder, 'report.json')
  mkdirSync(folder)
  const vitest = 'node_modules/vitest/vitest.mjs'
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const setup = suite.needs.includes('docker') ? ['scripts/with-setup.mjs'] : []
  const command = [process.execPath, ...setup, vitest, 'run', ...reporters, ...files]
  const [program = '', ...args] = [...APART, folder, ...command]
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
    child.kill('SIGKILL')
  }, suite.minutes * 60_000)
  const forward = () => child.kill('SIGINT')
  interrupted.signal.addEventListener('abort', forward)
  const code = await new Promise<number>((resolve) => {
    child.once('error', () => resolve(127))
    child.once('close', (status) => resolve(status ?? 1))
  })
  clearTimeout(timer)
  interrupted.signal.removeEventListener('abort', forward)

  const name = nameOf({ suite, files })
  console.log(`\n── ${name}\n${said.trimEnd()}`)
  const counts = read(report)
  rmSync(folder, { recursive: true })
  if (late) failures.push(`${name}: not done within its ${suite.minutes} minutes`)
  // A file that does not load, an error outside of any test: vitest fails, no test does.
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1
    failures.push(
      `${name}: exit code ${code}\n${said.trimEnd().split('\n').slice(-FAILURE_LINES).join('\n')}`,
    )
  }
  return counts
}

/** The counts of a report; what failed in it is remembered for the end. */
function read(report: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  if (!existsSync(report)) return counts
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: {
      name: string
      status: string
      message: string
      assertionResults: { status: string; fullName: string; failureMessages: string[] }[]
    }[]
  }
  for (const file of testResults) {
    const path = relative(ROOT, file.name)
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status !== 'failed') continue
      const words = failureMessages.join('\n').split('\n').slice(0, FAILURE_LINES)
      failures.push(`${path} > ${fullName}\n${words.join('\n')}`)
    }
    const statuses = file.assertionResults.map(({ status }) => status)
    counts.passed += statuses.filter((status) => status === 'passed').length
    counts.failed += statuses.filter((status) => status === 'failed').length
    counts.skipped += statuses.filter((status) => !['passed', 'failed'].includes(status)).length
    if (file.status === 'failed' && !statuses.includes('failed')) {
      counts.failed += 1
      failures.push(`${path}\n${file.message}`)
    }
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
  const sums = new Map(
    suites.map((suite) => [suite, { passed: 0, failed: 0, skipped: 0, seconds: 0 }]),
  )
  const waiting = suites.toSorted((a, b) => b.minutes - a.minutes).flatMap(runsOf)
  const runLane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (interrupted.signal.aborted) return
      const startedAt = performance.now()
      console.log(`… ${nameOf(next)} (at most ${next.suite.minutes} min)`)
      const counts = await run(next, join(folder, String(waiting.length)))
      const sum = sums.get(next.suite)
      if (sum === undefined) throw new Error(`${next.suite.path} has no sum`)
      for (const each of ['passed', 'failed', 'skipped'] as const) sum[each] += counts[each]
      sum.seconds += (performance.now() - startedAt) / 1000
    }
  }
  await Promise.all(Array.from({ length: LANES }, runLane))
  rmSync(folder, { recursive: true })
  const sum: Counts = { passed: 0, failed: interrupted.signal.aborted ? 1 : 0, skipped: 0 }
  for (const failure of failures) console.log(`\nFAILED ${failure}`)
  console.log('')
  for (const [{ path }, counts] of sums) {
    console.log(`${path.padEnd(24)} ${inWords(counts)} in ${counts.seconds.toFixed(1)} s`)
    for (const each of ['passed', 'failed', 'skipped'] as const) sum[each] += counts[each]
  }
  console.log(`\n${inWords(sum)}`)
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1
}

const inWords = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`

process.exitCode = await main(process.argv.slice(2))
