#!/usr/bin/env node
// The `enid` command: finds the command that is meant, runs it, exits with its code. Output for the
// caller on stdout, everything else on stderr, one line per error.

import { CommandError, EXIT, parse } from './command.ts'
import { COMMANDS } from './commands.ts'
import { nearest } from './nearest.ts'

const argv = process.argv.slice(2)

/** Whether help is asked for: `enid`, `enid --help`, `enid run --help`, but not after `--`. */
function asksForHelp(own: readonly string[]): boolean {
  const before = own.includes('--') ? own.slice(0, own.indexOf('--')) : own
  return before.includes('--help') || before.includes('-h')
}

async function main(): Promise<number> {
  const [first = 'help', ...own] = argv
  if (first === '--version' || first === '-V') return perform('version', own)
  if (first === '--help' || first === '-h') return perform('help', own)
  return asksForHelp(own) ? perform('help', [first]) : perform(first, own)
}

async function perform(name: string, own: readonly string[]): Promise<number> {
  const load = COMMANDS.get(name)
  if (load === undefined) {
    const near = nearest(name, [...COMMANDS.keys()])
    const remedy = near === undefined ? 'see: enid help' : `did you mean "enid ${near}"?`
    const what = name.startsWith('-') ? 'flag' : 'command'
    throw new CommandError(EXIT.usage, `enid: unknown ${what} ${name}: ${remedy}`)
  }
  const command = await load()
  return command.run(parse(command, own))
}

// A reader that went away (`enid ps | head -1`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed)
})

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof CommandError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.exitCode
}
