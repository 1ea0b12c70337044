// `enid help`: written from the same data that the command line is parsed with.

import type { Command } from './command.ts'
import { CommandError, EXIT } from './command.ts'
import { COMMANDS } from './commands.ts'
import { nearest } from './nearest.ts'
import { pairs } from './table.ts'

/** `enid help [COMMAND]`. */
export const help: Command = {
  name: 'help',
  usage: '[COMMAND]',
  summary: 'show this, or the flags of one command',
  flags: {},
  positionals: [0, 1],
  async run({ positionals: [name] }) {
    process.stdout.write(`${name === undefined ? await overview() : await about(name)}\n`)
    return EXIT.ok
  },
}

async function overview(): Promise<string> {
  const commands = await Promise.all([...COMMANDS.values()].map((load) => load()))
  return [
    'enid gives every container task its own network card.',
    '',
    'usage: enid COMMAND [ARGUMENT]… [--flag]…',
    '',
    pairs(commands.map(({ name, summary }) => [`  ${name}`, summary])),
    '',
    'Flags of a command: enid help COMMAND. Where the agent listens: --socket or ENID_SOCKET',
    '(/run/enid/enid.sock), --endpoint or ENID_ENDPOINT (http://127.0.0.1:51680).',
    '',
    'exit codes: 0 done, 1 refused or failed, 2 wrong command line or file, 3 nobody answers,',
    '4 waited too long. `enid exec` and `enid lab exec` exit as their command does.',
  ].join('\n')
}

async function about(name: string): Promise<string> {
  const load = COMMANDS.get(name)
  if (load === undefined) {
    const near = nearest(name, [...COMMANDS.keys()])
    const remedy = near === undefined ? 'see: enid help' : `did you mean "${near}"?`
    throw new CommandError(EXIT.usage, `enid help: unknown command ${name}: ${remedy}`)
  }
  const command = await load()
  const flags = Object.entries(command.flags).map(
    ([flag, { value, short, text, multiple }]) =>
      [
        `  --${flag}${value === undefined ? '' : ` ${value}`}${multiple ? ' …' : ''}`,
        short === undefined ? text : `${text} (-${short})`,
      ] as const,
  )
  return [
    `enid ${command.name}: ${command.summary}`,
    '',
    `usage: enid ${command.name} ${command.usage}`.trimEnd(),
    ...(flags.length === 0 ? [] : ['', pairs(flags)]),
    ...(command.notes === undefined ? [] : ['', ...command.notes]),
  ].join('\n')
}
