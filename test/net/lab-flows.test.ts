// Goal: what the lab shows of its packets is what they did: by the command as people use it, in the
// flow log's file, and in the picture of who may reach whom. Method: a lab as its users have it,
// sockets inside its probes; the picture is held against packets to every port it speaks of.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeNetworkAclsCommand,
  DescribeSubnetsCommand,
  type EC2Client,
  ReplaceNetworkAclAssociationCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Flow } from '../../lab/flows/flow.ts'
import type { Picture } from '../../lab/flows/picture.ts'
import type { Probe } from '../../lab/probes.ts'
import { close, connectTcp, listenTcp, send, tcp, udp } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const ENID = new URL('../../bin/enid', import.meta.url).pathname
const name = `t${randomBytes(3).toString('hex')}`
const folder = mkdtempSync(join(tmpdir(), 'enid-flows-'))
const file = join(folder, 'flows.log')
const listeners: number[] = []
let lab: LabProcess
let ec2: EC2Client
let rules: string[]
let client: Probe
let server: Probe
/** In the other subnet, whose ACL lets in TCP 80 to 82 but 81, and all out. */
let far: Probe

beforeAll(async () => {
  lab = await startLab(name, 0, file)
  ec2 = clientOf(lab)
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { VpcId } = Reservations?.[0]?.Instances?.[0] ?? {}
  const made = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'x', VpcId }),
  )
  const groupId = made.GroupId ?? ''
  const { SecurityGroupRules } = await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: groupId,
      IpPermissions: [
        { IpProtocol: 'tcp', FromPort: 80, ToPort: 81, IpRanges: [{ CidrIp: '10.0.0.0/16' }] },
      ],
    }),
  )
  rules = (SecurityGroupRules ?? []).map(({ SecurityGroupRuleId }) => SecurityGroupRuleId ?? '')
  const { Subnets } = await ec2.send(new DescribeSubnetsCommand({}))
  const other = Subnets?.find(({ CidrBlock }) => CidrBlock === '10.0.1.0/24')?.SubnetId
  const acl = await ec2.send(new CreateNetworkAclCommand({ VpcId }))
  const NetworkAclId = acl.NetworkAcl?.NetworkAclId
  const all = { NetworkAclId, Protocol: '-1', CidrBlock: '0.0.0.0/0', RuleAction: 'allow' } as const
  const some = (from: number, to: number) => ({
    ...all,
    Egress: false,
    Protocol: '6',
    PortRange: { From: from, To: to },
  })
  for (const input of [
    { ...all, Egress: true, RuleNumber: 100 },
    { ...some(81, 81), RuleAction: 'deny' as const, RuleNumber: 90 },
    { ...some(80, 82), RuleNumber: 100 },
  ]) {
    await ec2.send(new CreateNetworkAclEntryCommand(input))
  }
  const { NetworkAcls } = await ec2.send(new DescribeNetworkAclsCommand({}))
  const association = NetworkAcls?.flatMap(({ Associations = [] }) => Associations).find(
    ({ SubnetId }) => SubnetId === other,
  )
  await ec2.send(
    new ReplaceNetworkAclAssociationCommand({
      NetworkAclId,
      AssociationId: association?.NetworkAclAssociationId,
    }),
  )
  client = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'] })
  server = await lab.ask<Probe>('POST', 'probes', { groupIds: [groupId] })
  far = await lab.ask<Probe>('POST', 'probes', { groupIds: [groupId], subnetId: other })
  for (const { netnsPath } of [server, far]) {
    for (const port of [79, 80, 81, 82]) listeners.push(listenTcp(netnsPath, '0.0.0.0', port))
  }
  // A link that is new may lose a first packet, which comes again in 1 s.
  for (const { ipv4 } of [server, far]) close(connectTcp(client.netnsPath, ipv4, 80, 4000).fd)
})
afterAll(async () => {
  listeners.forEach(close)
  ec2.destroy()
  await lab.end()
  rmSync(folder, { recursive: true })
  expect(leftovers(name)).toEqual([])
})

const enid = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(ENID, ['lab', ...args, '--name', name])).stdout
const flows = async (...args: string[]): Promise<Exclude<Flow, { lost: number }>[]> =>
  (await enid('flows', '--json', ...args))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

// P290
test('enid lab flows shows what was accepted and dropped, with the rules’ EC2 ids', async () => {
  expect([80, 82].map((port) => tcp(client.netnsPath, server.ipv4, port))).toEqual([
    'open',
    'silent',
  ])
  const found = (await flows('--since', '10s', '--eni', server.eniId)).filter(
    ({ protocol }) => protocol === 6,
  )
  expect(found.at(-2)).toMatchObject({
    verdict: 'accept',
    from: client.eniId,
    to: server.eniId,
    source: client.ipv4,
    destination: server.ipv4,
    destinationPort: 80,
    rules: { egress: expect.stringMatching(/^sgr-[0-9a-f]{17}$/), ingress: rules[0] },
  })
  expect(found.at(-1)).toMatchObject({
    verdict: 'drop',
    destinationPort: 82,
    gate: 'ingress',
    reason: 'no group rule, ingress',
  })
  const table = await enid('flows', '--dropped', '--group', 'web')
  expect(table).toMatch(
    new RegExp(
      `drop +${client.eniId} +${server.eniId} +tcp +10.*:82 +sgr-\\w+ > no group rule, ingress$`,
      'm',
    ),
  )
  expect(table).not.toMatch(/accept/)
})
// P290
test('a flow that leaves for the Internet is shown as accepted, and one from there with what dropped it', async () => {
  const open = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'], public: true })
  const { internet } = await lab.ask<{ internet: { netnsPath: string } }>('GET', 'status')
  const { fd, answer } = connectTcp(open.netnsPath, '203.0.113.10', 80, 4000)
  close(fd)
  expect(answer).toBe('open')
  expect(tcp(internet.netnsPath, open.publicIp ?? '', 80)).toBe('silent')
  const found = (await flows('--since', '10s', '--eni', open.eniId)).filter(
    ({ protocol }) => protocol === 6,
  )
  expect(found.at(-2)).toMatchObject({
    verdict: 'accept',
    from: open.eniId,
    source: open.ipv4,
    destination: '203.0.113.10',
    destinationPort: 80,
    rules: {
      egress: expect.stringMatching(/^sgr-[0-9a-f]{17}$/),
      leaving: expect.stringMatching(/^acl-\w+ egress 100$/),
    },
  })
  expect(found.at(-2)).not.toHaveProperty('to')
  expect(found.at(-1)).toMatchObject({
    verdict: 'drop',
    to: open.eniId,
    source: '203.0.113.10',
    gate: 'ingress',
    reason: 'no group rule, ingress',
  })
  expect(found.at(-1)).not.toHaveProperty('from')
  await lab.ask('DELETE', `probes/${open.probeId}`)
})

test('enid lab flows --follow shows what comes, until it is ended', async () => {
  const child = execFile(ENID, ['lab', 'flows', '-f', '--dropped', '--name', name])
  let text = ''
  child.stdout?.on('data', (data: string) => {
    text += data
  })
  await expect.poll(() => text, { timeout: 10_000 }).toContain('VERDICT')
  const port = 7000
  expect(udp(client.netnsPath, { netns: server.netnsPath, address: server.ipv4 }, port)).toBe(false)
  await expect
    .poll(() => text, { timeout: 5000 })
    .toMatch(/drop .* udp .*:7000 .*no group rule, ingress/)
  child.kill('SIGTERM')
})

// P293
test('enid lab rules shows what each rule counted', async () => {
  const counted = async (rule: string) => {
    const { rules } = JSON.parse(await enid('rules', '--json')) as {
      rules: { rule: string; packets: number }[]
    }
    return rules.find((each) => each.rule === rule)?.packets ?? Number.NaN
  }
  const before = await counted(rules[0] ?? '')
  expect(tcp(client.netnsPath, server.ipv4, 80)).toBe('open')
  expect(await counted(rules[0] ?? '')).toBe(before + 1)
  expect(await enid('rules')).toMatch(
    /^sgr-\w+ +sg-\w+ +ingress +allow +tcp 80-81 from 10\.0\.0\.0\/16 +\d+ +\d+$/m,
  )
})

// P295
test('enid lab show says of every pair and port what its packets meet', async () => {
  const { parties, reaches } = JSON.parse(await enid('show', '--json')) as Picture
  const probes = [client, server, far]
  const place = ({ eniId }: Probe) => parties.findIndex(({ eniIds }) => eniIds.includes(eniId))
  const said = (from: Probe, to: Probe, port: number): boolean => {
    const reach = reaches.find((each) => each.from === place(from) && each.to === place(to))
    // TCP opens when the answer comes back, too.
    if (reach?.unanswered?.includes('ipv4')) return false
    const words = reach?.ipv4 ?? ''
    const [, list] = /tcp ([\d,-]+)/.exec(words) ?? []
    return (
      words === 'all' ||
      (list ?? '').split(',').some((range) => {
        const [first = 0, last = first] = range.split('-').map(Number)
        return port >= first && port <= last
      })
    )
  }
  const [shown, met]: [string[], string[]] = [[], []]
  for (const from of probes) {
    for (const to of [server, far].filter((each) => each !== from)) {
      for (const port of [79, 80, 81, 82]) {
        const what = `${probes.indexOf(from)} → ${probes.indexOf(to)} ${port}`
        if (said(from, to, port)) shown.push(what)
        if (tcp(from.netnsPath, to.ipv4, port) === 'open') met.push(what)
      }
    }
  }
  expect(shown).toEqual(met)
  expect(shown).toContain('0 → 1 81')
  expect(shown).not.toContain('0 → 2 81')
  expect(await enid('show')).toMatch(/tcp 80-81 \(no way back\)/)
  const text = await enid('show')
  expect(text).toContain(
    `    ${client.eniId} ${client.ipv4} ${client.ipv6} [default] on enid-lab A probe of the lab\n`,
  )
  expect(text).toMatch(
    new RegExp(`^${client.eniId} \\[default\\] +${far.eniId} \\[web\\] +tcp 80 `, 'm'),
  )
})

// P296
test('the flow log has each ENI’s records, with what the flow carried', async () => {
  const { fd, answer } = connectTcp(client.netnsPath, server.ipv4, 80)
  expect(answer).toBe('open')
  send(fd, Buffer.alloc(1000))
  expect(tcp(client.netnsPath, far.ipv4, 81)).toBe('silent')
  close(fd)
  type Line = {
    eni: string
    flow: string
    packets: number
    bytes: number
    action: string
    status: string
  }
  const lines = (): Line[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(1, -1)
      .map((line) => {
        const [, , eni = '', from, to, , port, , packets, bytes, , , action = '', status = ''] =
          line.split(' ')
        return {
          eni,
          flow: `${from} ${to} ${port}`,
          packets: Number(packets),
          bytes: Number(bytes),
          action,
          status,
        }
      })
  const sums = (eni: string, flow: string, action: string) => {
    const own = lines().filter(
      (each) => each.eni === eni && each.flow === flow && each.action === action,
    )
    return own.reduce((sum, { bytes }) => sum + bytes, 0)
  }
  const open = `${client.ipv4} ${server.ipv4} 80`
  const denied = `${client.ipv4} ${far.ipv4} 81`
  await expect
    .poll(() => sums(server.eniId, open, 'ACCEPT'), { timeout: 10_000 })
    .toBeGreaterThan(1000)
  await expect.poll(() => sums(far.eniId, denied, 'REJECT'), { timeout: 10_000 }).toBeGreaterThan(0)
  await expect
    .poll(() => lines().some(({ status }) => status === 'NODATA'), { timeout: 10_000 })
    .toBe(true)
  expect(sums(client.eniId, open, 'ACCEPT')).toBe(sums(server.eniId, open, 'ACCEPT'))
  expect(sums(client.eniId, denied, 'ACCEPT')).toBe(sums(far.eniId, denied, 'REJECT'))
  expect(sums(far.eniId, denied, 'ACCEPT')).toBe(0)
  expect(lines().some(({ status }) => status === 'SKIPDATA')).toBe(false)
})

test('words that are wrong are refused by name', async () => {
  const refused = async (...args: string[]) => {
    const error = (await enid(...args).catch((error: unknown) => error)) as {
      code: number
      stderr: string
    }
    return [error.code, error.stderr.trim()]
  }
  expect(await refused('flows', '--since', 'lunch')).toEqual([
    2,
    expect.stringContaining('--since is "lunch": write an age such as 30s, 5m or 2h'),
  ])
  expect(await refused('--flow-log-interval', '5')).toEqual([
    2,
    expect.stringContaining('--flow-log-interval needs --flow-log FILE'),
  ])
})
