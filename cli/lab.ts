// `enid lab`: a VPC in a box, in the foreground; and what one does with a lab that runs.

import type { Call, Command } from './command.ts'
import { CommandError, EXIT, wholeNumber } from './command.ts'
import { announcedPort, connectLab, labName } from './lab-connection.ts'
import { execInLab } from './lab-exec.ts'
import { FAULT_FLAGS, labFault, labProfile } from './lab-fault.ts'
import { FLOW_FLAGS, labFlows, labRules } from './lab-flows.ts'
import { HOST_FLAGS, labHost } from './lab-host.ts'
import { labShow } from './lab-show.ts'
import { nearest } from './nearest.ts'
import { exports, pairs, table } from './table.ts'

// Links and namespaces go one by one; a lab with hundreds of ENIs takes seconds.
const DOWN_TIMEOUT_MS = 30_000

const VERBS: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  env: printEnvironment,
  status: printStatus,
  reset,
  down,
  exec: (call) => execInLab(connectLab(labName(call)), call),
  show: (call) => labShow(connectLab(labName(call)), call),
  flows: (call) => labFlows(connectLab(labName(call)), call),
  rules: (call) => labRules(connectLab(labName(call)), call),
  host: (call) => labHost(() => connectLab(labName(call)), call),
  fault: (call) => labFault(() => connectLab(labName(call)), call),
  profile: (call) => labProfile(() => connectLab(labName(call)), call),
}

/** `enid lab [env|status|reset|down|exec|host|show|flows|rules|fault|profile]`. */
export const lab: Command = {
  name: 'lab',
  usage:
    '[env|status|reset|down|exec|host|show|flows|rules|fault|profile] [--name NAME] [--json] [-- CMD…]',
  summary: 'run a VPC in a box in the foreground, or ask one that runs',
  flags: {
    name: { value: 'NAME', text: 'which lab (ENID_LAB); default' },
    port: { value: 'PORT', text: 'start: the loopback port of its EC2, 0 for any; 51700' },
    'instance-type': { value: 'TYPE', text: 'start: what this host claims to be; lab.unlimited' },
    'flow-log': { value: 'FILE', text: 'start: append VPC flow log records (version 2) to it' },
    'flow-log-interval': { value: 'S', text: 'start: how often, 1 to 600 seconds; 60' },
    fresh: { text: 'start: begin anew over what a lab of this name left that was killed' },
    keep: { text: 'down: end the lab alone; ENIs, rules and packets stay' },
    group: {
      value: 'NAME|ID',
      multiple: true,
      text: "exec, host add: security group; the VPC's default one. fault: the group (ID) it is about",
    },
    public: { text: 'exec: with a public address, so that the Internet is in reach' },
    internet: {
      text: "start: lead on to the real Internet. exec: speak from the lab's, and not from the VPC",
    },
    subnet: { value: 'ID', text: 'exec, host add: where it speaks from. fault: which' },
    json: { text: 'env, status, host, fault, profile: print one JSON document' },
    ...HOST_FLAGS,
    ...FAULT_FLAGS,
    ...FLOW_FLAGS,
  },
  positionals: [0, 3],
  notes: [
    'enid lab                 start a lab; Ctrl-C ends it and leaves nothing behind; one that was',
    '                         killed left its VPC running, and is taken over',
    'enid lab --fresh         begin anew instead, and take away what such a one left',
    'eval "$(enid lab env)"   point the AWS CLI, SDKs and enid agent at it; fails until it is up',
    'enid lab status          its VPC, subnets, groups',
    'enid lab reset           back to the fresh VPC',
    'enid lab down            end it; --keep: its VPC goes on, for the next enid lab to take over',
    'enid lab exec -- CMD…    run a command inside the VPC, with an ENI of its own',
    'enid lab show            the VPC on one page, and who may reach whom',
    'enid lab flows           what became of packets, by whose rule; --dropped, --follow',
    'enid lab rules           what each rule has counted',
    'enid lab host add NAME   another instance: a machine with a network of its own; --docker',
    'enid lab host exec NAME -- CMD…   run a command on it; also host list, env, remove',
    'enid lab fault list      how it can misbehave, and what of it is on',
    'enid lab fault add NAME  have it misbehave; fault clear [ID] ends it',
    'enid lab profile NAME    how long EC2 takes: fast, aws, hostile',
  ],
  async run(call) {
    const [verb] = call.positionals
    if (verb === undefined) return start(call)
    const act = VERBS[verb]
    if (act === undefined) {
      const near = nearest(verb, Object.keys(VERBS))
      const remedy = near === undefined ? Object.keys(VERBS).join(', ') : `did you mean ${near}?`
      throw new CommandError(EXIT.usage, `enid lab: unknown word ${verb}: ${remedy}`)
    }
    const [, extra] = call.positionals
    if (extra !== undefined && !['host', 'fault', 'profile'].includes(verb)) {
      throw new CommandError(EXIT.usage, `enid lab ${verb}: what is "${extra}"?`)
    }
    const takesCommand = verb === 'exec' || (verb === 'host' && extra === 'exec')
    if (!takesCommand && call.rest.length > 0) {
      throw new CommandError(EXIT.usage, `enid lab ${verb}: only exec takes a command after "--"`)
    }
    return act(call)
  },
}

async function start(call: Call): Promise<number> {
  const port =
    call.one('port') === undefined
      ? {}
      : { port: wholeNumber(call, 'port', { min: 0, max: 65_535, fallback: 0 }) }
  const instanceType = call.one('instance-type')
  const flowLog = flowLogOf(call)
  const { runLab } = await import('../lab/main.ts')
  const ended = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => ended.abort())
  }
  const type = instanceType === undefined ? {} : { instanceType }
  const [fresh, internet] = [call.on('fresh'), call.on('internet')]
  // The agent's setting of that name: who sets it for both means both.
  const { ENID_LOG_LEVEL: logLevel = '' } = process.env
  const ways = { ...port, ...type, ...flowLog, ...(logLevel && { logLevel }), internet }
  const options = { name: labName(call), ...ways, fresh, onReady: sayReady }
  try {
    await runLab(options, ended.signal)
    return EXIT.ok
  } catch (error) {
    throw new CommandError(EXIT.failed, `enid lab: ${(error as Error).message}`)
  }
}

function flowLogOf(call: Call): { flowLog?: { file: string; intervalS: number } } {
  const file = call.one('flow-log')
  const intervalS = wholeNumber(call, 'flow-log-interval', { min: 1, max: 600, fallback: 60 })
  if (file !== undefined) return { flowLog: { file, intervalS } }
  if (!call.on('flow-log-interval')) return {}
  throw new CommandError(EXIT.usage, 'enid lab: --flow-log-interval needs --flow-log FILE')
}

type Ready = { name: string; port: number; tookOver: boolean; eniCount: number }

function sayReady({ name, port, tookOver, eniCount }: Ready): void {
  const flag = name === 'default' ? '' : ` --name ${name}`
  const again = tookOver ? ` again, with the ${eniCount} ENIs it had` : ''
  process.stderr.write(
    `the lab ${name} is up${again}: EC2 on http://127.0.0.1:${port}. ` +
      `Use it: eval "$(enid lab env${flag})"\n`,
  )
}

async function printEnvironment(call: Call): Promise<number> {
  const environment = (await connectLab(labName(call)).ask('GET', '/lab/env')) as Record<
    string,
    string
  >
  process.stdout.write(`${call.on('json') ? json(environment) : exports(environment)}\n`)
  return EXIT.ok
}

type Status = {
  readonly name: string
  readonly port: number
  readonly netns: string
  readonly instance: { instanceId: string; instanceType: string; zone: string }
  readonly vpcs: readonly { vpcId: string; ipv4Cidr: string; ipv6Cidr?: string }[]
  readonly subnets: readonly {
    subnetId: string
    zone: string
    ipv4Cidr?: string
    ipv6Cidr?: string
    availableCount: number
  }[]
  readonly groups: readonly { groupId: string; name: string }[]
  readonly hosts: readonly { name: string; instanceId: string; state: string }[]
  readonly internet: { readonly real?: { readonly ways: readonly Way[] } }
  readonly eniCount: number
  readonly attachedCount: number
}
type Way = { readonly version: string; readonly uplink: string }

const internetWords = (real: Status['internet']['real']): string =>
  real === undefined
    ? "the lab's own"
    : `the real one, ${real.ways.map((way) => `${way.version} by ${way.uplink}`).join(', ')}`

async function printStatus(call: Call): Promise<number> {
  const status = (await connectLab(labName(call)).ask('GET', '/lab/status')) as Status
  if (call.on('json')) {
    process.stdout.write(`${json(status)}\n`)
    return EXIT.ok
  }
  const { instance, vpcs, subnets, groups, hosts } = status
  const text = [
    pairs([
      ['lab', status.name],
      ['ec2', `http://127.0.0.1:${status.port}`],
      ['instance', `${instance.instanceId} (${instance.instanceType}, ${instance.zone})`],
      ...vpcs.map(
        ({ vpcId, ipv4Cidr, ipv6Cidr }) => ['vpc', `${vpcId} ${ipv4Cidr} ${ipv6Cidr}`] as const,
      ),
      ['hosts', hosts.map(({ name, state }) => `${name} (${state})`).join(', ')],
      ['internet', internetWords(status.internet.real)],
      ['enis', `${status.eniCount}, ${status.attachedCount} attached`],
    ]),
    table(
      ['SUBNET', 'ZONE', 'CIDR', 'FREE'],
      subnets.map((s) => [
        s.subnetId,
        s.zone,
        s.ipv4Cidr ?? s.ipv6Cidr ?? '',
        String(s.availableCount),
      ]),
    ),
    table(
      ['GROUP', 'NAME'],
      groups.map(({ groupId, name }) => [groupId, name]),
    ),
  ]
  process.stdout.write(`${text.join('\n\n')}\n`)
  return EXIT.ok
}

async function reset(call: Call): Promise<number> {
  await connectLab(labName(call)).ask('POST', '/lab/reset')
  return EXIT.ok
}

/** Asks the lab to end, and waits until it has taken its announcement back. */
async function down(call: Call): Promise<number> {
  const name = labName(call)
  await connectLab(name).ask('POST', '/lab/down', call.on('keep') ? { keep: true } : undefined)
  const deadline = performance.now() + DOWN_TIMEOUT_MS
  while (announcedPort(name) !== undefined) {
    if (performance.now() > deadline) {
      throw new CommandError(EXIT.timeout, `the lab ${name} is still ending after 30 s`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return EXIT.ok
}

const json = (document: object): string => JSON.stringify(document, null, 2)
