// `npm run bench:lab`: what the lab costs at 1,000 ENIs, and how fast packets go through it. Prints a
// table: what was measured, the goal, and whether it was met; bench/README.md keeps the last results.
//
//   1,000 ENIs, one after the other ─▶ memory ─▶ rule changes ─▶ a stream between two ENIs, and one
//                                                              over a bridge, in turns
//
// Times are a caller's, over HTTP. Beside them stands the processor time that the lab's process took
// (kernel work on its behalf included): what a machine that does nothing else would show at best.

import { availableParallelism, cpus, loadavg } from 'node:os'
import { type LabUnderTest, startLab, textOf } from './lab-under-test.ts'
import { alternate } from './pairs.ts'
import { type Place, runContainers, type Stream, stream } from './throughput.ts'

const ENIS = 1000
const GROUPS = 200
const CHANGES = 100

type Row = { readonly what: string; readonly figure: string; readonly goal?: [string, boolean] }

async function main(): Promise<Row[]> {
  const lab = await startLab('bench')
  const rows: Row[] = []
  try {
    const ids = await prepare(lab)
    const empty = lab.rssMb()
    rows.push(...(await measureEnis(lab, ids)))
    const full = lab.rssMb()
    rows.push({ what: 'memory before the first ENI', figure: `${empty.toFixed(0)} MB` })
    rows.push({
      what: `memory at ${ENIS} ENIs`,
      figure: `${full.toFixed(0)} MB`,
      goal: ['< 200 MB', full < 200],
    })
    rows.push(...(await measureRules(lab, ids)))
    rows.push(...(await measureThroughput(lab, ids.worn)))
  } finally {
    await lab.end()
  }
  return rows
}

type Ids = { vpc: string; instance: string; subnet: string; worn: string; many: string[] }

async function prepare(lab: LabUnderTest): Promise<Ids> {
  const vpc = textOf(await lab.call('DescribeVpcs', {}), 'vpcId')
  const instance = textOf(await lab.call('DescribeInstances', {}), 'instanceId')
  const block = { VpcId: vpc, CidrBlock: '10.0.16.0/20', AvailabilityZone: 'us-west-2a' }
  const subnet = textOf(await lab.call('CreateSubnet', block), 'subnetId')
  const group = async (name: string): Promise<string> => {
    const made = await lab.call('CreateSecurityGroup', {
      VpcId: vpc,
      GroupName: name,
      GroupDescription: name,
    })
    return textOf(made, 'groupId')
  }
  const worn = await group('worn')
  await lab.call('AuthorizeSecurityGroupIngress', { GroupId: worn, ...itself(worn) })
  const many: string[] = []
  for (let n = 0; n < GROUPS; n++) many.push(await group(`g${n}`))
  return { vpc, instance, subnet, worn, many }
}

/** Each ENI wears the group of all, and one of many. */
async function measureEnis(lab: LabUnderTest, ids: Ids): Promise<Row[]> {
  const times: number[] = []
  let cpuMs = 0
  const last = 100
  for (let n = 1; n <= ENIS; n++) {
    if (n === ENIS - last + 1) cpuMs = lab.cpuMs()
    const from = performance.now()
    const made = await lab.call('CreateNetworkInterface', {
      SubnetId: ids.subnet,
      'SecurityGroupId.1': ids.worn,
      'SecurityGroupId.2': ids.many[n % GROUPS] ?? '',
    })
    await lab.call('AttachNetworkInterface', {
      NetworkInterfaceId: textOf(made, 'networkInterfaceId'),
      InstanceId: ids.instance,
      DeviceIndex: String(n),
    })
    times.push(performance.now() - from)
  }
  const what = `an ENI created and attached, at ${ENIS}`
  return timed(what, times.slice(-last), (lab.cpuMs() - cpuMs) / last)
}

async function measureRules(lab: LabUnderTest, ids: Ids): Promise<Row[]> {
  const change = async (groupOf: (n: number) => string): Promise<[number[], number]> => {
    const times: number[] = []
    const cpuMs = lab.cpuMs()
    for (let n = 0; n < CHANGES; n++) {
      const rule = { GroupId: groupOf(n), ...port(2000 + n) }
      for (const action of ['Authorize', 'Revoke']) {
        const from = performance.now()
        await lab.call(`${action}SecurityGroupIngress`, rule)
        times.push(performance.now() - from)
      }
    }
    return [times, (lab.cpuMs() - cpuMs) / times.length]
  }
  const [all, allMs] = await change(() => ids.worn)
  const [one, oneMs] = await change((n) => ids.many[n % GROUPS] ?? '')
  return [
    ...timed(`a rule of the group that all ${ENIS} wear, in force`, all, allMs),
    ...timed(`a rule of one of ${GROUPS} groups, in force`, one, oneMs),
  ]
}

async function measureThroughput(lab: LabUnderTest, group: string): Promise<Row[]> {
  const probe = (): Promise<Place> => lab.ask<Place>('POST', '/lab/probes', { groupIds: [group] })
  const enis: [Place, Place] = [await probe(), await probe()]
  const bridge = await runContainers()
  try {
    const sides = { eni: () => stream(enis, 1), other: () => stream(bridge.places, 1) }
    const { eni, other } = await alternate(sides, 9, { warmUp: 0 })
    const half = (streams: readonly Stream[], of: keyof Stream): number =>
      at(
        streams.map((stream) => stream[of]),
        0.5,
      )
    const ratio = (of: keyof Stream): number => half(eni, of) / half(other, of)
    return [
      {
        what: 'one stream between two ENIs',
        figure: `${half(eni, 'perSecond').toFixed(1)} Gbit/s`,
      },
      {
        what: 'one stream over docker’s bridge',
        figure: `${half(other, 'perSecond').toFixed(1)} Gbit/s`,
      },
      {
        what: 'the first in parts of the second',
        figure: ratio('perSecond').toFixed(2),
        goal: ['≥ 1', ratio('perSecond') >= 1],
      },
      {
        what: 'the same, by the processor time of the two programs',
        figure: ratio('perCpuSecond').toFixed(2),
      },
    ]
  } finally {
    bridge.remove()
  }
}

function timed(what: string, times: readonly number[], cpuMs: number): Row[] {
  const row = (name: string, share: number): Row => {
    const ms = at(times, share)
    return { what: `${what}: ${name}`, figure: `${ms.toFixed(1)} ms`, goal: ['< 10 ms', ms < 10] }
  }
  const cpu = { what: `${what}: processor time`, figure: `${cpuMs.toFixed(1)} ms` }
  return [row('half', 0.5), row('19 of 20', 0.95), cpu]
}

/** The figure that so many of all are at most. */
const at = (figures: readonly number[], share: number): number =>
  figures.toSorted((a, b) => a - b)[Math.ceil(figures.length * share) - 1] ?? Number.NaN

const port = (number: number): Record<string, string> => ({
  'IpPermissions.1.IpProtocol': 'tcp',
  'IpPermissions.1.FromPort': String(number),
  'IpPermissions.1.ToPort': String(number),
  'IpPermissions.1.IpRanges.1.CidrIp': '10.0.0.0/16',
})

const itself = (groupId: string): Record<string, string> => ({
  'IpPermissions.1.IpProtocol': '-1',
  'IpPermissions.1.Groups.1.GroupId': groupId,
})

if (import.meta.main) {
  const load = loadavg()[0]?.toFixed(1)
  const rows = await main()
  const wide = Math.max(...rows.map(({ what }) => what.length))
  for (const { what, figure, goal } of rows) {
    const verdict = goal === undefined ? '' : `${goal[0].padEnd(9)} ${goal[1] ? 'met' : 'NOT MET'}`
    console.log(`${what.padEnd(wide)}  ${figure.padStart(12)}  ${verdict}`)
  }
  console.log(`${availableParallelism()} × ${cpus()[0]?.model}, load ${load} before`)
  if (rows.some(({ goal }) => goal?.[1] === false)) process.exitCode = 1
}
