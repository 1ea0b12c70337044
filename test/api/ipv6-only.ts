// A task whose ENI is in a subnet of IPv6 alone, played by the fake agent: what EC2 answers of one.

import type { Rig } from './rig.ts'

/** Lets the task come up with such an ENI, or one that has more. The rig must have held it back (`may`). */
export function settleIpv6(
  { journal, orders }: Pick<Rig, 'journal' | 'orders'>,
  id: string,
  more: Readonly<Record<string, string | number | undefined>> = {},
): void {
  journal.append(id, { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-6' })
  const details = {
    eniId: 'eni-6',
    mac: '0a:47:e4:7a:2b:06',
    subnetId: 'subnet-6',
    vpcId: orders.host.vpcId,
    ipv6: '2600:1f14:323a:e014:588a:9986:158:b9ba',
    ipv6PrefixLength: 60,
    securityGroupIds: ['sg-6'],
    ...more,
  }
  // As JSON has it: what is undefined is not there.
  const said = JSON.parse(JSON.stringify(details)) as typeof details
  journal.append(id, { type: 'done', verb: 'ensure', row: 'eni:0', details: said })
  orders.may = () => true
  orders.settle()
}
