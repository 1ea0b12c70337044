// Enforcement is proven, not assumed: before the fabric takes its first port it sends packets
// between two throw-away guests. One UDP port is open at both gates and must be reached; one is
// closed by the sender's group alone, one by the receiver's alone, and neither may be. Both IP
// versions. A kernel that answers every command and filters nothing is found out here.

import type { Group, Port } from './fabric.ts'
import type { LabFabric } from './open.ts'
import type { ProbePlan, ProbeResult } from './probe.ts'

const OPEN = 9001
const CLOSED_BY_RECEIVER = 9002
const CLOSED_BY_SENDER = 9003
const UDP = 17

/** RFC 5737 and RFC 3849: addresses that no VPC has. */
const GATEWAY = '192.0.2.1'
const SUBNET = { subnetId: 'proof', ipv4Cidr: '192.0.2.0/24', ipv4Gateway: GATEWAY }
const GROUP: Group = {
  groupId: 'proof',
  rules: [
    ...(['ipv4', 'ipv6'] as const).flatMap((kind) => {
      const peer = { kind, cidr: kind === 'ipv4' ? '192.0.2.0/24' : '2001:db8::/32' }
      const rule = { protocol: UDP, peer }
      return [
        { ...rule, ruleId: `${kind}-out`, direction: 'egress', from: OPEN, to: CLOSED_BY_RECEIVER },
        { ...rule, ruleId: `${kind}-in`, direction: 'ingress', from: OPEN, to: OPEN },
        {
          ...rule,
          ruleId: `${kind}-in-closed-by-sender`,
          direction: 'ingress',
          from: CLOSED_BY_SENDER,
          to: CLOSED_BY_SENDER,
        },
      ] as const
    }),
  ],
}

/** Throws when the gates do not do what they were told; leaves nothing of the proof. */
export async function prove(
  fabric: LabFabric,
  probe: (plan: ProbePlan) => Promise<ProbeResult>,
): Promise<void> {
  await fabric.putSubnet(SUBNET)
  await fabric.putGroup(GROUP)
  const [from, to] = [await guest(fabric, 'a', 10), await guest(fabric, 'b', 11)]
  const result = await probe({
    from: { netns: from.netns, addresses: [...from.ipv4, ...from.ipv6] },
    to: { netns: to.netns, addresses: [...to.ipv4, ...to.ipv6] },
    openPort: OPEN,
    closedPorts: [CLOSED_BY_RECEIVER, CLOSED_BY_SENDER],
  })
  for (const name of ['a', 'b']) {
    await fabric.unplug(`proof-${name}`)
    await fabric.removeNetns(`proof-${name}`)
  }
  await fabric.dropGroup(GROUP.groupId)
  await fabric.dropSubnet(SUBNET.subnetId)
  if (result.leaked.length > 0 || result.missing.length > 0) {
    throw new Error(
      'this kernel does not enforce what nftables accepted, so the lab refuses to start:' +
        told('passed a closed port', result.leaked) +
        told('dropped an open port', result.missing),
    )
  }
}

async function guest(fabric: LabFabric, name: string, host: number): Promise<Port> {
  const port: Port = {
    eniId: `proof-${name}`,
    mac: `02:00:00:00:00:${host.toString(16).padStart(2, '0')}`,
    ipv4: [`192.0.2.${host}`],
    ipv6: [`2001:db8::${host}`],
    groupIds: [GROUP.groupId],
    sourceDestCheck: true,
    netns: await fabric.makeNetns(`proof-${name}`),
  }
  await fabric.plug(port)
  await fabric.configureGuest({
    netns: port.netns,
    mac: port.mac,
    ipv4: [`${port.ipv4[0]}/24`],
    ipv6: [`${port.ipv6[0]}/128`],
    ipv4Gateway: GATEWAY,
  })
  return port
}

const told = (what: string, probes: readonly string[]): string =>
  probes.length === 0 ? '' : ` ${what}: ${probes.join(', ')}.`
