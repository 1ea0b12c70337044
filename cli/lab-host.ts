// `enid lab host`: other instances beside this machine, each a machine of its own as far as its network
// and its /run go, so that several agents form a fleet.
//
//   enid lab host add web --type c5.large --docker
//   enid lab host exec web -- enid agent

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Call, Flag } from './command.ts'
import { CommandError, EXIT } from './command.ts'
import type { LabConnection } from './lab-connection.ts'
import { exitCodeOf } from './lab-exec.ts'
import { nearest } from './nearest.ts'
import { exports, pairs, table } from './table.ts'

/** The flags of `host add`; `--subnet`, `--group` and `--json` are the lab command's own. */
export const HOST_FLAGS = {
  type: { value: 'TYPE', text: 'host add: its instance type, whose limits apply; lab.unlimited' },
  docker: { text: 'host add: with a dockerd of its own' },
} as const satisfies Record<string, Flag>

/** A host as the lab tells it. */
type Host = {
  readonly name: string
  readonly instanceId: string
  readonly instanceType: string
  readonly zone: string
  readonly state: string
  readonly netns: string
  readonly ipv4?: string
  readonly ipv6?: string
  readonly eniCount: number
  readonly pid?: number
  readonly dockerd?: { readonly pid: number; readonly running: boolean; readonly log: string }
  readonly env?: Readonly<Record<string, string>>
  readonly problem?: string
}

type Connect = () => LabConnection
type Verb = (connect: Connect, call: Call) => Promise<number>
const VERBS: Readonly<Record<string, Verb>> = { add, list, env, exec, remove }

/** `enid lab host add [NAME] | list | env NAME | exec NAME -- CMD… | remove NAME`. */
export async function labHost(connect: Connect, call: Call): Promise<number> {
  const [, verb = 'list'] = call.positionals
  const act = VERBS[verb]
  if (act === undefined) {
    const near = nearest(verb, Object.keys(VERBS))
    const remedy = near === undefined ? Object.keys(VERBS).join(', ') : `did you mean ${near}?`
    throw new CommandError(EXIT.usage, `enid lab host: unknown word ${verb}: ${remedy}`)
  }
  const taken = verb === 'add' ? ['type', 'docker', 'subnet', 'group'] : []
  const flags = ['type', 'docker', 'subnet', 'group'].filter((flag) => call.on(flag))
  const extra = flags.find((flag) => !taken.includes(flag))
  if (extra !== undefined) {
    throw new CommandError(EXIT.usage, `enid lab host ${verb} takes no --${extra}`)
  }
  const [, , name] = call.positionals
  if (verb === 'list' && name !== undefined) {
    throw new CommandError(EXIT.usage, `enid lab host list: what is "${name}"?`)
  }
  return act(connect, call)
}

async function add(connect: Connect, call: Call): Promise<number> {
  const [, , name] = call.positionals
  const [groups, subnetId, instanceType] = [call.all('group'), call.one('subnet'), call.one('type')]
  const host = (await connect().ask('POST', '/lab/hosts', {
    ...(name === undefined ? {} : { name }),
    ...(instanceType === undefined ? {} : { instanceType }),
    ...(subnetId === undefined ? {} : { subnetId }),
    groupIds: groups.filter((group) => group.startsWith('sg-')),
    groupNames: groups.filter((group) => !group.startsWith('sg-')),
    docker: call.on('docker'),
  })) as Host
  return print(call, host, described(host))
}

async function list(connect: Connect, call: Call): Promise<number> {
  const { hosts } = (await connect().ask('GET', '/lab/hosts')) as { hosts: readonly Host[] }
  const rows = hosts.map((host) => [
    host.name,
    host.instanceId,
    host.instanceType,
    host.zone,
    host.ipv4 ?? host.ipv6 ?? '',
    String(host.eniCount),
    host.problem === undefined ? host.state : `${host.state} (${host.problem})`,
    dockerOf(host),
  ])
  const headings = ['HOST', 'INSTANCE', 'TYPE', 'ZONE', 'ADDRESS', 'ENIS', 'STATE', 'DOCKERD']
  return print(call, { hosts }, table(headings, rows))
}

async function env(connect: Connect, call: Call): Promise<number> {
  const host = await hostNamed(connect, call)
  return print(call, host.env, exports(host.env))
}

async function remove(connect: Connect, call: Call): Promise<number> {
  const path = `/lab/hosts/${encodeURIComponent(nameIn(call))}`
  const removed = await connect().ask('DELETE', path)
  if (call.on('json')) process.stdout.write(`${json(removed as object)}\n`)
  return EXIT.ok
}

/** Runs the command that stands after `--` on a host; its exit code, or 128 + n by a signal. */
async function exec(connect: Connect, call: Call): Promise<number> {
  const [program] = call.rest
  if (program === undefined) {
    const remedy = 'name the command: enid lab host exec NAME -- CMD…'
    throw new CommandError(EXIT.usage, `enid lab host exec: ${remedy}`)
  }
  if (process.getuid?.() !== 0) {
    throw new CommandError(EXIT.usage, 'enid lab host exec: entering a namespace takes root')
  }
  const { name, pid, env: own } = await hostNamed(connect, call)
  if (pid === undefined) {
    const remedy = `its machine has ended. Take it away: enid lab host remove ${name}`
    throw new CommandError(EXIT.failed, `enid lab host exec: ${name}: ${remedy}`)
  }
  const enter = ['--target', String(pid), '--net', '--mount', '--pid', '--']
  // Entering mounts leads to their root; the files are this machine's, so there is a way back.
  const command = ['env', `--chdir=${process.cwd()}`, '--', ...call.rest]
  // From here on a signal is the command's, which may be there before the next line is.
  let child: ChildProcess | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => pass(signal, child))
  }
  const environment = { ...process.env, ...own }
  child = spawn('nsenter', [...enter, ...command], { stdio: 'inherit', env: environment })
  return await exitCodeOf(child, 'nsenter: install util-linux')
}

/** nsenter passes no signal on to the command, which is its only child: a pid of its own takes a fork. */
function pass(signal: NodeJS.Signals, child: ChildProcess | undefined): void {
  if (child === undefined) return
  try {
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    const [pid] = children.trim().split(' ').filter(Boolean)
    if (pid === undefined) child.kill(signal)
    else process.kill(Number(pid), signal)
  } catch {
    // It has ended meanwhile.
  }
}

/** The host that the command line names; refused while it has no machine. */
async function hostNamed(
  connect: Connect,
  call: Call,
): Promise<Host & { env: object & Host['env'] }> {
  const path = `/lab/hosts/${encodeURIComponent(nameIn(call))}`
  const host = (await connect().ask('GET', path)) as Host
  if (host.env !== undefined) return { ...host, env: host.env }
  throw new CommandError(EXIT.failed, `the host ${host.name} is ${host.state}: it has no machine`)
}

function nameIn(call: Call): string {
  const [, verb, name] = call.positionals
  if (name !== undefined) return name
  throw new CommandError(EXIT.usage, `enid lab host ${verb}: name the host: enid lab host list`)
}

const described = (host: Host): string =>
  pairs([
    ['host', host.name],
    ['instance', `${host.instanceId} (${host.instanceType}, ${host.zone})`],
    ['address', [host.ipv4, host.ipv6].filter(Boolean).join(' ')],
    ['netns', host.netns],
    ['dockerd', dockerOf(host)],
    ['use it', `enid lab host exec ${host.name} -- CMD…`],
  ])

function dockerOf({ dockerd }: Host): string {
  if (dockerd === undefined) return ''
  return dockerd.running ? `pid ${dockerd.pid}` : `has ended; its log: ${dockerd.log}`
}

function print(call: Call, document: object, text: string): number {
  process.stdout.write(`${call.on('json') ? json(document) : text}\n`)
  return EXIT.ok
}

const json = (document: object): string => JSON.stringify(document, null, 2)
