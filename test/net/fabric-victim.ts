// A lab's owner that is killed in the midst: opens a fabric, plugs an ENI into this process's own
// namespace, makes a guest namespace, says so, and waits for its death. Arguments: the lab's name.

import { openFabric } from '../../lab/fabric/open.ts'

const fabric = await openFabric({
  name: process.argv[2] ?? '',
  log: { info: () => {}, error: () => {} },
})
await fabric.putAcl({ aclId: 'acl-1', entries: [] })
await fabric.putSubnet({
  subnetId: 'subnet-1',
  ipv4Cidr: '10.0.0.0/24',
  ipv4Gateway: '10.0.0.1',
  aclId: 'acl-1',
})
await fabric.makeNetns('guest')
await fabric.plug({
  eniId: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:02:01',
  ipv4: ['10.0.0.9'],
  ipv6: [],
  groupIds: [],
  sourceDestCheck: true,
  netns: '/proc/self/ns/net',
})
console.log('ready')
