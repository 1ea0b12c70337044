// What a command of `enid` is: its flags as data, so that parsing, `--help` and "did you mean" all
// read one list, and a function that returns the exit code.
//
//   cli/main.ts ─▶ cli/commands.ts ─▶ parse(command, argv) ─▶ command.run(call)

import { parseArgs } from 'node:util'
import { nearest } from './nearest.ts'

/** What the process exits with. `enid help` prints these. */
export const EXIT = {
  ok: 0,
  /** The agent or the lab refused, or the task failed. */
  failed: 1,
  /** The command line, or a file it names, is wrong. Nothing was asked of anybody. */
  usage: 2,
  /** Nobody answers at the address. */
  unreachable: 3,
  /** What was waited for did not come in time. It may still come. */
  timeout: 4,
} as const

/** The command cannot go on: one line for stderr, and the exit code. */
export class CommandError extends Error {
  override name = 'CommandError'
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** A flag. `value` is its placeholder in the help; without one it is a switch. */
export type Flag = {
  readonly value?: string
  readonly multiple?: boolean
  readonly short?: string
  readonly text: string
}

/** A command line that was understood. */
export type Call = {
  readonly positionals: readonly string[]
  /** Whether a flag was given. */
  on(flag: string): boolean
  /** The flag's last value. */
  one(flag: string): string | undefined
  /** All values of a flag that may be repeated, commas split. */
  all(flag: string): string[]
  /** All values of a flag that may be repeated, as they were given. */
  each(flag: string): string[]
  /** What stands after `--`. */
  readonly rest: readonly string[]
}

export type Command = {
  readonly name: string
  /** What follows the name: `TASK… [--reason TEXT]`. */
  readonly usage: string
  readonly summary: string
  readonly flags: Readonly<Record<string, Flag>>
  /** How many positionals are allowed, lowest and highest. */
  readonly positionals: readonly [min: number, max: number]
  /** More lines for `enid help NAME`. */
  readonly notes?: readonly string[]
  run(call: Call): Promise<number>
}

/** The flags that every command which talks to the agent has. */
export const AGENT_FLAGS = {
  json: { text: 'print one JSON document instead of a table' },
  socket: { value: 'PATH', text: "the agent's socket (ENID_SOCKET, /run/enid/enid.sock)" },
  endpoint: { value: 'URL', text: "the agent's address, instead of a socket (ENID_ENDPOINT)" },
} as const satisfies Record<string, Flag>

/** Understands `argv`, or throws a CommandError that names the flag and the remedy. */
export function parse(command: Command, argv: readonly string[]): Call {
  const dashes = argv.indexOf('--')
  const own = dashes === -1 ? argv : argv.slice(0, dashes)
  const rest = dashes === -1 ? [] : argv.slice(dashes + 1)
  const options = Object.fromEntries(
    Object.entries(command.flags).map(([name, flag]) => [
      name,
      {
        type: flag.value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: flag.multiple ?? false,
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  )
  const { tokens } = parseArgs({
    args: [...own],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    const flag = command.flags[name]
    if (flag === undefined) throw unknownFlag(command, rawName)
    // `--subnet --count 2` is a forgotten subnet, not a subnet of that name.
    const forgotten = token.inlineValue === false && value?.startsWith('--') === true
    const given = checked(command, rawName, flag, forgotten ? undefined : value)
    values.set(name, [...(values.get(name) ?? []), given])
  }
  checkCount(command, positionals, rest)
  return {
    positionals,
    rest,
    on: (flag) => values.has(flag),
    each: (flag) => values.get(flag) ?? [],
    one: (flag) => values.get(flag)?.at(-1),
    all: (flag) => (values.get(flag) ?? []).flatMap((value) => value.split(',').filter(Boolean)),
  }
}

function unknownFlag(command: Command, rawName: string): CommandError {
  const known = Object.keys(command.flags).map((name) => `--${name}`)
  const near = nearest(rawName, known)
  const remedy = near === undefined ? `see: enid help ${command.name}` : `did you mean ${near}?`
  return new CommandError(EXIT.usage, `enid ${command.name}: unknown flag ${rawName}: ${remedy}`)
}

function checked(command: Command, rawName: string, flag: Flag, value?: string): string {
  if (flag.value === undefined) {
    if (value === undefined) return ''
    throw new CommandError(
      EXIT.usage,
      `enid ${command.name}: ${rawName}=${value}: ${rawName} is a switch and takes no value`,
    )
  }
  if (value !== undefined && value !== '') return value
  throw new CommandError(
    EXIT.usage,
    `enid ${command.name}: ${rawName} has no value: write ${rawName} ${flag.value}`,
  )
}

function checkCount(
  command: Command,
  positionals: readonly string[],
  rest: readonly string[],
): void {
  const [min, max] = command.positionals
  const usage = `usage: enid ${command.name} ${command.usage}`.trimEnd()
  if (positionals.length < min) {
    throw new CommandError(EXIT.usage, `enid ${command.name}: something is missing. ${usage}`)
  }
  if (positionals.length > max) {
    const extra = positionals[max]
    throw new CommandError(EXIT.usage, `enid ${command.name}: what is "${extra}"? ${usage}`)
  }
  if (rest.length > 0 && !command.usage.includes('-- ')) {
    throw new CommandError(
      EXIT.usage,
      `enid ${command.name}: nothing may follow "--", but "${rest.join(' ')}" does. ${usage}`,
    )
  }
}

/** A whole number of a flag within bounds, or `fallback` where the flag is not given. */
export function wholeNumber(
  call: Call,
  flag: string,
  { min, max, fallback }: { min: number; max: number; fallback: number },
): number {
  const text = call.one(flag)
  if (text === undefined) return fallback
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= min && number <= max) return number
  throw new CommandError(
    EXIT.usage,
    `--${flag} is "${text}": it must be a whole number from ${min} to ${max}`,
  )
}
