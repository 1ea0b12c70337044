// The stage's IPv6-only subnet with its one ENI, which rows call `v` and which wears `other`: made by EC2
// calls the first time a row needs it, and taken down with the stage.

import { freeBlocks } from './blocks.ts'
import { letGo, takeIn } from './namespaces.ts'
import type { Stage } from './stage.ts'

/** Makes them; `zone` is the instance's own. */
export async function makeNative(stage: Stage, zone: string): Promise<void> {
  const { ec2, vpcId: VpcId } = stage
  const [Ipv6CidrBlock = ''] = freeBlocks(stage.vpcBlocks, await stage.taken(), 1).map(
    ({ ipv6 }) => ipv6,
  )
  const { Subnet } = await ec2.call<{ Subnet: { SubnetId: string } }>('CreateSubnet', {
    ...{ VpcId, Ipv6CidrBlock, Ipv6Native: true, AvailabilityZone: zone },
  })
  const { SubnetId } = Subnet
  stage.afterwards(() => ec2.call('DeleteSubnet', { SubnetId }))
  type Made = { NetworkInterfaceId: string; MacAddress: string; Ipv6Addresses: Address[] }
  type Address = { Ipv6Address: string }
  const { NetworkInterface } = await ec2.call<{ NetworkInterface: Made }>(
    'CreateNetworkInterface',
    { SubnetId, Groups: [stage.id('other')], Ipv6AddressCount: 1 },
  )
  const { NetworkInterfaceId, MacAddress: mac, Ipv6Addresses } = NetworkInterface
  stage.afterwards(() => stage.deleteEni(NetworkInterfaceId))
  const AttachmentId = await stage.attach(NetworkInterfaceId)
  const [ipv6 = ''] = Ipv6Addresses.map(({ Ipv6Address }) => Ipv6Address)
  const namespace = `${stage.mark}-v`
  const link = await takeIn({ namespace, mac, ipv6 })
  stage.afterwards(async () => {
    await ec2.call('DetachNetworkInterface', { AttachmentId })
    await letGo(namespace)
  })
  stage.addGuest({ name: 'v', mac, ipv4: NO_IPV4, ipv6, ...link })
}

/** It has none, and hears nothing of that version. */
const NO_IPV4 = '0.0.0.0'
