// The one setup that `npm run demo` and `npm test` share: what is missing gets installed, and only
// that; then the given script runs under the project's own Node. Plain JavaScript without any
// dependency, because it is the one file that must run on a fresh machine with Node 20.
//
//   with-setup.mjs [--npm-only | --no-docker] [--also COMMAND]… SCRIPT [ARGUMENT]…
//     apt packages ─▶ npm ci ─▶ dockerd ─▶ node_modules/.bin/node SCRIPT ─▶ stop our dockerd
//
// It speaks on stderr only: stdout belongs to the script, whose last line and exit code are ours.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { borrowDocker } from './setup/docker.mjs'
import { ensureModules } from './setup/modules.mjs'
import { ensurePackages } from './setup/packages.mjs'
import { Refusal } from './setup/say.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Reads our own arguments; everything from the script's name on belongs to the script. */
function parse(argv) {
  const options = { npmOnly: false, noDocker: false, also: [], script: '', rest: [] }
  let i = 0
  for (; argv[i]?.startsWith('--'); i++) {
    if (argv[i] === '--npm-only') options.npmOnly = true
    else if (argv[i] === '--no-docker') options.noDocker = true
    else if (argv[i] === '--also' && argv[i + 1]) options.also.push(argv[++i])
    else {
      const known = '--npm-only, --no-docker and --also are known'
      throw new Refusal(`with-setup: unknown flag ${argv[i]}: ${known}`)
    }
  }
  options.script = argv[i] ?? ''
  options.rest = argv.slice(i + 1)
  if (options.script === '') throw new Refusal('with-setup: name the script to run')
  return options
}

/** The enid works with interfaces, namespaces and Docker: Linux and root, or nothing goes. */
function checkMachine(command) {
  if (process.platform !== 'linux') {
    throw new Refusal(
      `this is ${process.platform}: enid needs Linux network namespaces. Run it in a Linux VM.`,
    )
  }
  if (process.getuid() !== 0) {
    throw new Refusal(
      `you are user ${process.getuid()}: making network interfaces, namespaces and containers ` +
        `takes root. Run: sudo ${command}`,
    )
  }
}

/** Runs the script with our terminal; resolves with its exit code, 128 + n after a signal. */
function runScript({ script, rest }) {
  const node = join(root, 'node_modules', '.bin', 'node')
  const bin = join(root, 'node_modules', '.bin')
  const child = spawn(node, [join(root, script), ...rest], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin'}` },
  })
  const forward = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}

async function main() {
  const options = parse(process.argv.slice(2))
  const npmScript = process.env.npm_lifecycle_event
  const command = npmScript === 'test' ? 'npm test' : `npm run ${npmScript ?? 'demo'}`
  if (options.npmOnly) {
    await ensureModules(root)
    return runScript(options)
  }
  checkMachine(command)
  await ensurePackages(options.noDocker ? options.also : ['docker', ...options.also])
  await ensureModules(root)
  if (options.noDocker) return runScript(options)
  const giveBack = await borrowDocker()
  try {
    return await runScript(options)
  } finally {
    await giveBack()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  process.stderr.write(`setup: ${error.message}\n`)
  process.exitCode = 1
}
