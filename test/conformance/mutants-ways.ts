// Bugs in what leads somewhere: route tables, gateways, translation, checks, sizes and addresses beyond
// an ENI's first. Of our own making; each is a text for another in the lab's sources.

import type { Mutant, Patch } from './mutate.ts'

const POLICY = 'lab/fabric/policy.ts'
const ROUTING = 'lab/fabric/routing.ts'
const EDGE = 'lab/fabric/edge-rules.ts'
const TRANSLATOR = 'lab/fabric/translator-rules.ts'
const GATEWAYS = 'lab/fabric/gateway-gates.ts'
const GATES = 'lab/fabric/gates.ts'
const RULESET = 'lab/fabric/ruleset.ts'
const PREFIX = 'lab/fabric/delegated-prefix.ts'
const WAYS = 'lab/model/fabric-ways.ts'

/** What is done in its own time, and a call that does not wait for it; `when` leaves out a lab's start. */
const late = (call: string, when = 'true'): Patch => ({
  file: WAYS,
  find: `return ways.${call}`,
  put: `if (${when}) return Promise.resolve(void setTimeout(() => void ways.${call}, 400)); return ways.${call}`,
})

const ROUTES: readonly Mutant[] = [
  {
    name: 'no route leads a part of the VPC elsewhere',
    patches: [
      {
        file: POLICY,
        find: 'lead(BEFORE_MAIN + number, divertingRoutes(table).map(wayOf))',
        put: 'lead(BEFORE_MAIN + number, [])',
      },
    ],
    caughtBy: ['route-to-unchecked-eni', 'route-target-has-groups', 'nat-hides-its-senders'],
  },
  {
    name: 'of several routes the widest decides',
    patches: [
      {
        file: POLICY,
        find: '...table.routes.map(wayOf)])',
        put: '...table.routes.filter((one) => !table.routes.some((other) => other !== one && lies(one.cidr, other.cidr))).map(wayOf)])',
      },
    ],
    caughtBy: ['longest-prefix-wins', 'eigw-or-igw-by-the-route', 'nat-whatever-elastic-ip'],
  },
  {
    name: 'a route to an ENI that is attached to nothing leads to the Internet',
    patches: [
      {
        file: POLICY,
        find: "case 'nowhere':\n      return { out: LINK.nowhere }",
        put: "case 'nowhere':\n      return { out: LINK.internet, gateway: EDGE.linkLocal }",
      },
    ],
    caughtBy: ['longest-prefix-wins', 'longest-prefix-replaced'],
  },
  {
    name: 'a route leads within its own subnet as well',
    patches: [
      {
        file: ROUTING,
        find: '...within.map((statements) => rule(CHAIN, ...statements)), // No route leads within a subnet.',
        put: '',
      },
    ],
    caughtBy: ['route-not-within-its-subnet'],
  },
  {
    name: 'a route is answered before it is in force',
    patches: [
      late('putRouteTable(call.table)', "call.table.routes.some((r) => r.to.kind !== 'internet')"),
    ],
    caughtBy: ['route-in-force-on-return', 'longest-prefix-replaced'],
  },
  {
    name: 'the two hops of a packet by an ENI on its way are one flow',
    patches: [{ file: ROUTING, find: 'if (appliances.length === 0) return []', put: 'return []' }],
    caughtBy: ['route-hop-opens-no-gate'],
  },
  {
    name: 'what an unchecked ENI sends by a NAT gateway is another flow than its answer',
    patches: [
      {
        file: ROUTING,
        find: 'subnets.flatMap(({ translators, number }) =>',
        put: 'subnets.slice(0, 0).flatMap(({ translators, number }) =>',
      },
    ],
    caughtBy: ['nat-of-an-unchecked-sender'],
  },
  {
    name: 'an ENI is given what is for others, whatever its check',
    patches: [
      {
        file: GATES,
        find: "rule(check, match(oif, inSet('unchecked_destination')), accept),",
        put: "rule(check, match(oif, LINK.nowhere, '!='), accept),",
      },
    ],
    caughtBy: ['route-to-checked-eni', 'route-to-unchecked-eni'],
  },
  {
    name: 'an ENI is never given what is for others',
    patches: [
      {
        file: RULESET,
        find: "          inet('unchecked_source', link),\n          inet('unchecked_destination', link),",
        put: "          inet('unchecked_source', link),",
      },
    ],
    caughtBy: ['route-to-unchecked-eni', 'route-target-has-groups'],
  },
]

const INTERNET: readonly Mutant[] = [
  {
    name: 'what has no public address leaves under its private one',
    patches: [
      {
        file: EDGE,
        find: "rule('forward', ...fromVpc, match(saddr, inSet('has_public')), accept),",
        put: "rule('forward', ...fromVpc, accept),",
      },
    ],
    caughtBy: ['igw-translates-out', 'eip-of-one-private-address', 'eip-in-force-on-return'],
  },
  {
    name: 'an internet gateway translates on the way in alone',
    patches: [
      {
        file: EDGE,
        find: "rule('leaving', match(oif, EDGE_INTERNET), translate('snat', 'ipv4', saddr, PUBLIC_OF)),",
        put: '',
      },
    ],
    caughtBy: ['igw-translates-out', 'igw-of-another-subnet', 'nat-out-under-its-own-address'],
  },
  {
    name: 'from one public address of the VPC to another nothing is translated',
    patches: [
      {
        file: EDGE,
        find: "rule('leaving', match(oif, EDGE_INTERNET), translate(",
        put: "rule('leaving', match(oif, EDGE_INTERNET), match(daddr, '203.0.113.10'), translate(",
      },
    ],
    caughtBy: ['igw-rules-know-private-addresses', 'igw-of-another-subnet'],
  },
  {
    name: 'an internet gateway lets in whoever has an address, whatever its subnet’s routes',
    patches: [
      {
        file: GATEWAYS,
        find: 'rule(chain, wayBack(LINK.internet), accept),',
        put: 'rule(chain, accept),',
      },
    ],
    caughtBy: ['igw-needs-a-route', 'eigw-out-alone', 'eigw-or-igw-by-the-route'],
  },
  {
    name: 'an egress-only gateway lets in what nobody inside began',
    patches: [
      {
        file: GATEWAYS,
        find: "      flowIs('established', 'related'),\n      match(ct('direction'), 'reply'),\n",
        put: '',
      },
    ],
    caughtBy: ['eigw-out-alone', 'eigw-goes-on'],
  },
  {
    name: 'an egress-only gateway lets no answer in',
    patches: [
      {
        file: GATEWAYS,
        find: "match(ct('direction'), 'reply'),",
        put: "match(ct('direction'), 'original'),",
      },
    ],
    caughtBy: ['eigw-out-alone', 'eigw-goes-on', 'eigw-under-groups'],
  },
  {
    name: 'an Elastic IP is answered before it is in force',
    patches: [late('putPublicAddress(call.address)')],
    caughtBy: ['eip-in-force-on-return'],
  },
  {
    name: 'an Elastic IP that is taken away goes on',
    patches: [late('dropPublicAddress(call.publicIp)')],
    caughtBy: ['eip-in-force-on-return'],
  },
]

const NAT: readonly Mutant[] = [
  {
    name: 'a NAT gateway sends on under the sender’s own address',
    patches: [
      {
        file: TRANSLATOR,
        find: "rule('leaving', isIpv4, is(TCP, UDP), snatTo(address, [1024, 65535])),",
        put: '',
      },
    ],
    caughtBy: ['nat-out-under-its-own-address', 'nat-hides-its-senders'],
  },
  {
    name: 'a NAT gateway translates every protocol',
    patches: [
      {
        file: TRANSLATOR,
        find: "rule('leaving', isIpv4, is(ICMP), snatTo(address)),",
        put: "rule('leaving', isIpv4, snatTo(address)),",
      },
      {
        file: TRANSLATOR,
        find: "'related'), is(TCP, UDP, ICMP), accept),",
        put: "'related'), accept),",
      },
    ],
    caughtBy: ['nat-three-protocols'],
  },
  {
    name: 'no ACL judges a NAT gateway',
    patches: [
      {
        file: 'lab/fabric/border.ts',
        find: "addRule('inet', name, [jump(aclChain(aclId, direction))]),",
        put: "addRule('inet', name, [match(otherEnd === oif ? iif : oif, inSet('gateways')), accept]), addRule('inet', name, [jump(aclChain(aclId, direction))]),",
      },
    ],
    caughtBy: ['nat-acl-of-its-subnet'],
  },
]

const REST: readonly Mutant[] = [
  {
    name: 'a token travels as far as it likes',
    patches: [
      {
        file: 'lab/fabric/hop-limit.ts',
        find: 'value.writeInt32LE(hops)',
        put: 'value.writeInt32LE(64)',
      },
    ],
    caughtBy: ['imds-hop-limit'],
  },
  {
    name: 'a lease names the VPC’s resolver, whatever the DHCP options',
    patches: [
      {
        file: 'lab/dhcp/lease.ts',
        find: 'addresses(nameServersOf(world, vpc))',
        put: 'addresses([addressAt(knownCidr(4, vpc.ipv4Cidr), 2n)])',
      },
    ],
    caughtBy: ['dhcp-options'],
  },
  {
    name: 'an internet gateway takes packets of any size',
    patches: [
      {
        file: 'lab/fabric/outside.ts',
        find: 'export const OUTSIDE_MTU = 1500',
        put: 'export const OUTSIDE_MTU = 9001',
      },
    ],
    caughtBy: ['size-at-the-gateway', 'size-told-without-a-rule'],
  },
  {
    name: 'who sends too much is told by leave of its groups alone',
    patches: [
      {
        file: GATES,
        find: "rule('ingress_gate', ...isTold, accept)",
        put: "rule('ingress_gate', ...isTold, match(oif, 'nobody'), accept)",
      },
    ],
    caughtBy: ['size-told-without-a-rule'],
  },
  {
    name: 'a prefix is one address',
    patches: [
      {
        file: PREFIX,
        find: "const MASK = { ipv4: '255.255.255.240', ipv6: 'ffff:ffff:ffff:ffff:ffff::' } as const",
        put: "const MASK = { ipv4: '255.255.255.255', ipv6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } as const",
      },
    ],
    caughtBy: ['prefix-4', 'prefix-6', 'prefix-is-its-own-4', 'prefix-is-its-own-6'],
  },
]

/** All of them. */
export const WAY_MUTANTS: readonly Mutant[] = [...ROUTES, ...INTERNET, ...NAT, ...REST]
