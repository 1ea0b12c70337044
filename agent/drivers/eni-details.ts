// An ENI as EC2 describes it, in the journal's words.

import type { NetworkInterface } from '@aws-sdk/client-ec2'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import type { Details } from './driver.ts'
import type { Subnet } from './subnets.ts'

/** Everything that the other drivers need of it. Throws `transient` where EC2 left something out. */
export function eniDetails(
  eni: NetworkInterface,
  subnet: Subnet,
  host: Pick<Host, 'searchDomains'>,
): Details['eni'] {
  const { NetworkInterfaceId: eniId, MacAddress: mac, PrivateIpAddress: ipv4 } = eni
  if (eniId === undefined || mac === undefined || ipv4 === undefined) {
    const message = `EC2 answered without id, MAC or address of an ENI: ${eniId}`
    throw new Failure('transient', 'Ec2AnswerIncomplete', message)
  }
  const ipv6 = eni.Ipv6Addresses?.[0]?.Ipv6Address
  const domain = host.searchDomains[0] ?? 'internal'
  return {
    eniId,
    mac: mac.toLowerCase(),
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    ipv4,
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ipv4PrefixLength: subnet.ipv4PrefixLength,
    ipv4Gateway: subnet.ipv4Gateway,
    // Absent where the VPC has no DNS host names; the task's own name is the same all the same.
    privateDnsName: eni.PrivateDnsName || `ip-${ipv4.replaceAll('.', '-')}.${domain}`,
    securityGroupIds: (eni.Groups ?? []).map(({ GroupId }) => GroupId ?? ''),
  }
}
