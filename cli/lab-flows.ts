// `enid lab flows` and `enid lab rules`: what became of packets, by whose rule, and what each rule
// has counted.
//
//   enid lab flows --dropped            what was dropped lately, where and why
//   enid lab flows --follow --eni ID    as it comes; Ctrl-C ends it
//   enid lab rules                      packets and bytes, rule by rule

import type { Call, Flag } from './command.ts'
import { CommandError, EXIT } from './command.ts'
import type { LabConnection } from './lab-connection.ts'
import { table } from './table.ts'

/** The flags of `flows`; `--eni`, `--group` and `--json` are the lab command's own. */
export const FLOW_FLAGS = {
  dropped: { text: 'flows: only what was dropped' },
  follow: { short: 'f', text: 'flows: go on with each that comes' },
  since: { value: 'AGE', text: 'flows: no older than 30s, 5m, 2h; or a time' },
} as const satisfies Record<string, Flag>

/** A line of the lab's: a verdict, or how many got lost there, or that we were too slow. */
export type FlowLine = {
  readonly at?: string
  readonly verdict?: 'accept' | 'drop'
  readonly from?: string
  readonly to?: string
  readonly protocol?: number
  readonly etherType?: number
  readonly source?: string
  readonly sourcePort?: number
  readonly destination?: string
  readonly destinationPort?: number
  readonly icmpType?: number
  readonly icmpCode?: number
  readonly rules?: Readonly<Record<string, string>>
  readonly reason?: string
  readonly lost?: number
  readonly cutOff?: string
}

type Rule = {
  readonly rule: string
  readonly of?: string
  readonly direction?: string
  readonly action: string
  readonly says?: string
  readonly packets: number
  readonly bytes: number
}

const HEADINGS = ['TIME', 'VERDICT', 'FROM', 'TO', 'PROTOCOL', 'SOURCE', 'DESTINATION', 'BY']
/** The columns of lines that come one by one: they cannot know how wide the next will be. */
const WIDTHS = [12, 7, 21, 21, 10, 21, 21, 0]
const GATES = ['egress', 'leaving', 'entering', 'ingress']
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' }
const ARP = 0x0806

/** `enid lab flows [--dropped] [--follow] [--eni ID] [--group NAME|ID] [--since AGE] [--json]`. */
export async function labFlows(lab: LabConnection, call: Call): Promise<number> {
  const query = new URLSearchParams()
  for (const flag of ['dropped', 'follow']) if (call.on(flag)) query.set(flag, 'true')
  for (const flag of ['eni', 'group']) {
    const value = call.one(flag)
    if (value !== undefined) query.set(flag, value)
  }
  const since = call.one('since')
  if (since !== undefined) query.set('since', sinceWhen(since, Date.now()))
  const path = `/lab/flows?${query}`
  if (!call.on('follow')) {
    const { flows, lost } = (await lab.ask('GET', path)) as { flows: FlowLine[]; lost: number }
    const lines = call.on('json') ? flows.map(json) : [table(HEADINGS, flows.map(cells))]
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
    if (lost > 0) process.stderr.write(`${lost} verdicts got lost: more than the lab could take\n`)
    return EXIT.ok
  }
  if (!call.on('json')) process.stdout.write(`${inColumns(HEADINGS)}\n`)
  for await (const text of lab.lines(path)) {
    const line = JSON.parse(text) as FlowLine
    process.stdout.write(`${call.on('json') ? text : inColumns(cells(line))}\n`)
    if (line.cutOff !== undefined) throw new CommandError(EXIT.failed, `the lab: ${line.cutOff}`)
  }
  return EXIT.ok
}

/** `enid lab rules [--json]`. */
export async function labRules(lab: LabConnection, call: Call): Promise<number> {
  const { rules } = (await lab.ask('GET', '/lab/rules')) as { rules: Rule[] }
  if (call.on('json')) {
    process.stdout.write(`${JSON.stringify({ rules }, null, 2)}\n`)
    return EXIT.ok
  }
  const rows = rules.map(({ rule, of = '', direction = '', action, says = '', packets, bytes }) => [
    rule,
    of,
    direction,
    action,
    says,
    String(packets),
    String(bytes),
  ])
  const headings = ['RULE', 'OF', 'DIRECTION', 'ACTION', 'SAYS', 'PACKETS', 'BYTES']
  process.stdout.write(`${table(headings, rows)}\n`)
  return EXIT.ok
}

/** A time, from an age before now or as it stands. */
export function sinceWhen(text: string, nowMs: number): string {
  const [, digits, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit]
  const atMs = seconds === undefined ? Date.parse(text) : nowMs - Number(digits) * seconds * 1000
  if (!Number.isNaN(atMs)) return new Date(atMs).toISOString()
  throw new CommandError(
    EXIT.usage,
    `--since is "${text}": write an age such as 30s, 5m or 2h, or a time such as 2026-01-31T12:00:00Z`,
  )
}

/** A line as the columns of the table. */
export function cells(line: FlowLine): string[] {
  const time = line.at?.slice(11, 23) ?? ''
  if (line.lost !== undefined) return [time, 'lost', `${line.lost} verdicts`, '', '', '', '', '']
  const { verdict = '', from = '-', to = '-', rules = {}, reason } = line
  const passed = GATES.flatMap((gate) => rules[gate] ?? [])
  return [
    time,
    verdict,
    from,
    to,
    protocolOf(line),
    place(line.source, line.sourcePort),
    place(line.destination, line.destinationPort),
    [...passed, ...(reason === undefined ? [] : [reason])].join(' > '),
  ]
}

function protocolOf({ protocol, etherType, icmpType, icmpCode }: FlowLine): string {
  if (protocol === undefined) {
    return etherType === ARP ? 'arp' : `0x${(etherType ?? 0).toString(16).padStart(4, '0')}`
  }
  const name = PROTOCOLS[protocol] ?? String(protocol)
  return icmpType === undefined ? name : `${name} ${icmpType}/${icmpCode}`
}

function place(address = '-', port?: number): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

const inColumns = (row: readonly string[]): string =>
  row
    .map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0))
    .join('  ')
    .trimEnd()

const json = (line: FlowLine): string => JSON.stringify(line)
