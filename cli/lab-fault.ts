// `enid lab fault` and `enid lab profile`: has a lab misbehave as EC2 does, and shows how often it did.
//
//   enid lab fault list                        every fault in one line, and those that are on
//   enid lab fault add reply-lost --action AttachNetworkInterface --times 1
//   enid lab fault clear                       all off; `clear fault-2` one
//   enid lab profile hostile --seed 7          latency, and on top of it the troubles of bad days

import type { Call, Flag } from './command.ts'
import { CommandError, EXIT } from './command.ts'
import type { LabConnection } from './lab-connection.ts'
import { nearest } from './nearest.ts'
import { pairs, table } from './table.ts'

/** The flags of both; `--subnet`, `--group` and `--json` are the lab command's own. */
export const FAULT_FLAGS = {
  action: { value: 'ACTION', text: 'fault: the EC2 calls it is about, as Describe*' },
  call: { value: 'N', multiple: true, text: 'fault: the number of the call it strikes' },
  times: { value: 'N', text: 'fault: how often it strikes at most' },
  likelihood: { value: 'P', text: 'fault: how likely it strikes each time, above 0 and at most 1' },
  seed: { value: 'S', text: 'fault, profile: replays the draws; 1' },
  seconds: { value: 'N', text: 'fault: how long; enid lab fault list says of what' },
  eni: { value: 'ID', text: 'fault: the ENI it is about' },
  task: { value: 'ID', text: 'fault: the task whose ENIs it is about (their tag enid:holder)' },
  instance: { value: 'ID', text: 'fault: the instance whose IMDS it is about' },
  scale: { value: 'F', text: 'profile: what every duration is multiplied by; 1' },
} as const satisfies Record<string, Flag>

type Option = Exclude<keyof typeof FAULT_FLAGS, 'scale'> | 'subnet' | 'group'

/** A fault as the lab tells it; what it was told stands beside. */
type Fault = {
  readonly id: string
  readonly name: string
  readonly seen: number
  readonly fired: number
  readonly hits: readonly unknown[]
}

type Listing = {
  readonly profile: { readonly name: string; readonly seed: number; readonly scale: number }
  readonly faults: readonly Fault[]
  readonly known: readonly { readonly name: string; readonly summary: string }[]
  readonly profiles: readonly string[]
}

const VERBS: Readonly<Record<string, (lab: LabConnection, call: Call) => Promise<number>>> = {
  add,
  list,
  clear,
}

/** `enid lab fault add NAME | list | clear [ID]`. */
export async function labFault(connect: () => LabConnection, call: Call): Promise<number> {
  const [, verb = 'list'] = call.positionals
  const act = VERBS[verb]
  if (act !== undefined) return act(connect(), call)
  const near = nearest(verb, Object.keys(VERBS))
  const remedy = near === undefined ? Object.keys(VERBS).join(', ') : `did you mean ${near}?`
  throw new CommandError(EXIT.usage, `enid lab fault: unknown word ${verb}: ${remedy}`)
}

/** `enid lab profile NAME [--seed S] [--scale F]`. */
export async function labProfile(connect: () => LabConnection, call: Call): Promise<number> {
  const [, name, extra] = call.positionals
  if (name === undefined || extra !== undefined) {
    throw new CommandError(EXIT.usage, 'usage: enid lab profile fast|aws|hostile [--seed S]')
  }
  refuseFlags(call, 'enid lab profile', ['seed', 'scale'])
  const numbers = { ...number(call, 'seed'), ...number(call, 'scale') }
  const profile = (await connect().ask('POST', '/lab/profile', { name, ...numbers })) as object
  process.stdout.write(`${call.on('json') ? json(profile) : words(profile)}\n`)
  return EXIT.ok
}

async function add(lab: LabConnection, call: Call): Promise<number> {
  const [, , name] = call.positionals
  if (name === undefined) {
    throw new CommandError(EXIT.usage, 'enid lab fault add: name the fault: enid lab fault list')
  }
  refuseFlags(call, 'enid lab fault add', OPTIONS)
  const calls = call.all('call').map((text) => toNumber('call', text))
  const fault = (await lab.ask('POST', '/lab/faults', {
    name,
    ...(calls.length === 0 ? {} : { calls }),
    ...Object.assign({}, ...NUMBERS.map((flag) => number(call, flag))),
    ...Object.assign({}, ...TEXTS.map((flag) => text(call, flag))),
  })) as Fault
  process.stdout.write(`${call.on('json') ? json(fault) : `${fault.id} ${fault.name}`}\n`)
  return EXIT.ok
}

async function list(lab: LabConnection, call: Call): Promise<number> {
  refuseFlags(call, 'enid lab fault list', [])
  const listing = (await lab.ask('GET', '/lab/faults')) as Listing
  if (call.on('json')) {
    process.stdout.write(`${json(listing)}\n`)
    return EXIT.ok
  }
  const { profile, faults, known, profiles } = listing
  const on = faults.map(({ id, name, seen, fired, hits: _hits, ...options }) => [
    id,
    name,
    String(seen),
    String(fired),
    words(options),
  ])
  const parts = [
    table(
      ['FAULT', 'WHAT IT DOES'],
      known.map(({ name, summary }) => [name, summary]),
    ),
    pairs([
      ['profile', words(profile)],
      ['profiles', profiles.join(', ')],
      ['on', on.length === 0 ? 'no fault' : undefined],
    ]),
    ...(on.length === 0 ? [] : [table(['ON', 'FAULT', 'SEEN', 'FIRED', 'OPTIONS'], on)]),
  ]
  process.stdout.write(`${parts.join('\n\n')}\n`)
  return EXIT.ok
}

async function clear(lab: LabConnection, call: Call): Promise<number> {
  refuseFlags(call, 'enid lab fault clear', [])
  const [, , id] = call.positionals
  await lab.ask(
    'DELETE',
    id === undefined ? '/lab/faults' : `/lab/faults/${encodeURIComponent(id)}`,
  )
  return EXIT.ok
}

const NUMBERS = ['times', 'likelihood', 'seed', 'seconds'] as const
const TEXTS = ['action', 'eni', 'task', 'subnet', 'group', 'instance'] as const
const OPTIONS: readonly Option[] = [...NUMBERS, ...TEXTS, 'call']

/** A flag that would be left out in silence is refused. */
function refuseFlags(call: Call, what: string, taken: readonly string[]): void {
  const given = [...OPTIONS, 'scale'].find((flag) => call.on(flag) && !taken.includes(flag))
  if (given !== undefined) throw new CommandError(EXIT.usage, `${what} takes no --${given}`)
}

function number(call: Call, flag: string): Record<string, number> {
  const given = call.one(flag)
  return given === undefined ? {} : { [flag]: toNumber(flag, given) }
}

function toNumber(flag: string, given: string): number {
  if (/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(given)) return Number(given)
  throw new CommandError(EXIT.usage, `--${flag} is "${given}": it must be a number`)
}

function text(call: Call, flag: string): Record<string, string> {
  const given = call.one(flag)
  return given === undefined ? {} : { [flag]: given }
}

const words = (options: object): string =>
  Object.entries(options)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')

const json = (document: object): string => JSON.stringify(document, null, 2)
