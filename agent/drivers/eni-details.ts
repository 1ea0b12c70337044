// An ENI as EC2 describes it, in the journal's words.

import type { NetworkInterface } from '@aws-sdk/client-ec2'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import type { Details, Ipv4Side } from './driver.ts'
import { isIpv6Only, type Subnet } from './subnets.ts'

/** Everything that the other drivers need of it. Throws `transient` where EC2 left something out. */
export function eniDetails(
  eni: NetworkInterface,
  subnet: Subnet,
  host: Pick<Host, 'searchDomains'>,
): Details['eni'] {
  const { NetworkInterfaceId: eniId, MacAddress: mac } = eni
  const ipv4 = ipv4Of(eni, subnet)
  const ipv6 = eni.Ipv6Addresses?.[0]?.Ipv6Address
  const hasAddress = ipv4.ipv4 !== undefined || (isIpv6Only(subnet) && ipv6 !== undefined)
  if (eniId === undefined || mac === undefined || !hasAddress) {
    const message = `EC2 answered without id, MAC or address of an ENI: ${eniId}`
    throw new Failure('transient', 'Ec2AnswerIncomplete', message)
  }
  const privateDnsName = eni.PrivateDnsName || nameOf(ipv4, host.searchDomains)
  return {
    eniId,
    mac: mac.toLowerCase(),
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    ...ipv4,
    ...(ipv6 !== undefined && { ipv6, ...ipv6LengthOf(subnet) }),
    ...(privateDnsName !== undefined && { privateDnsName }),
    securityGroupIds: (eni.Groups ?? []).map(({ GroupId }) => GroupId ?? ''),
  }
}

function ipv4Of({ PrivateIpAddress: ipv4 }: NetworkInterface, subnet: Subnet): Ipv4Side {
  if (ipv4 === undefined || subnet.ipv4Gateway === undefined) return {}
  const { ipv4PrefixLength, ipv4Gateway } = subnet
  return { ipv4, ipv4PrefixLength, ipv4Gateway }
}

const ipv6LengthOf = ({ ipv6PrefixLength: length }: Subnet): { ipv6PrefixLength?: number } =>
  length === undefined ? {} : { ipv6PrefixLength: length }

/** EC2 tells none where the VPC has no DNS host names; the task's own name is the same all the same. */
function nameOf({ ipv4 }: Ipv4Side, [domain = 'internal']: readonly string[]): string | undefined {
  return ipv4 && `ip-${ipv4.replaceAll('.', '-')}.${domain}`
}
