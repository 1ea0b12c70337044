// The bugs that are put into the lab, one at a time: those that other emulators shipped, and others of
// our own making. Each is a text for another in the lab's sources, whose anchor must match.

import { WAY_MUTANTS } from './mutants-ways.ts'
import type { Mutant, Patch } from './mutate.ts'

const GATES = 'lab/fabric/gates.ts'
const GROUP = 'lab/fabric/security-group.ts'
const ACL = 'lab/fabric/network-acl.ts'
const BORDER = 'lab/fabric/border.ts'
const RULESET = 'lab/fabric/ruleset.ts'
const TRACKING = 'lab/fabric/tracking.ts'
/** What passes because its flow is tracked. */
const TRACKED_RULES = `    addRule('inet', gate, [byBoth, flowIs('new', 'established'), accept]),
    way('original', TRACKED[direction]),
    way('reply', TRACKED[OTHER[direction]]),`
const FABRIC = 'lab/fabric/namespace-fabric.ts'
const SERVICES = 'lab/fabric/services.ts'
const IMDS_4 = "rule(chain, match(payload('ip', address), IMDS.ipv4),"
const IMDS_6 = "rule(chain, match(payload('ip6', address), IMDS.ipv6),"
const PERMISSION = 'lab/model/permission.ts'
const PLAN = 'lab/model/fabric-plan.ts'
const MODEL_GROUP = 'lab/model/security-group.ts'

/** Something said before all else in the gate of the receiver's groups. */
// What stands in quotes with a placeholder is a text of the lab's sources, placeholder and all.
// biome-ignore-start lint/suspicious/noTemplateCurlyInString: a text of the sources, as it stands there
const inIngressGate = (statement: string): Patch => ({
  file: GATES,
  find: '...passTracked(`${direction}_gate`, direction),',
  put: `...(direction === 'ingress' ? [rule('ingress_gate', ${statement})] : []), ...passTracked(\`\${direction}_gate\`, direction),`,
})
/** A bit of the flow's mark that the lab does not use. */
const MARKED =
  "{ match: { op: '==', left: { '&': [{ ct: { key: 'mark' } }, 64] }, right: 64 } }, accept"
const MARK =
  "{ mangle: { key: { ct: { key: 'mark' } }, value: { '|': [{ ct: { key: 'mark' } }, 64] } } }"

const BUGS: readonly Mutant[] = [
  {
    name: 'an accept on the way out ends the evaluation',
    bug: 'bug-1',
    patches: [
      {
        file: GATES,
        find: "...gate('ingress', -10, oif),",
        put: "addGate('ingress_gate', 'forward', -10), rule('ingress_gate', accept),",
      },
    ],
    caughtBy: ['bug-1-egress-answers-for-ingress', 'protocol-nothing-in'],
  },
  {
    name: 'traffic within a subnet is not seen by the groups',
    bug: 'bug-2',
    patches: [
      {
        file: BORDER,
        find: '[match(otherEnd, inSet(linkSet(subnetId))), accept]',
        put: `[match(otherEnd, inSet(linkSet(subnetId))), ${MARK}, accept]`,
      },
      inIngressGate(MARKED),
    ],
    caughtBy: ['bug-2-same-subnet-not-seen'],
  },
  {
    name: 'rules are listed and nothing is enforced',
    bug: 'bug-3',
    patches: [
      {
        file: 'lab/fabric/nft.ts',
        find: "type: 'filter', hook, prio, policy: 'drop' },",
        put: "type: 'filter', hook, prio, policy: 'accept' },",
      },
      {
        file: 'lab/fabric/reason.ts',
        find: 'log(LOG_GROUP, `drop ${gate} ${reason}`),\n  drop,',
        put: 'log(LOG_GROUP, `drop ${gate} ${reason}`),\n  { accept: null },',
      },
    ],
    caughtBy: ['bug-3-enforced-on-paper'],
  },
  {
    name: 'a block with words behind it is read as far as it goes',
    bug: 'bug-4',
    patches: [
      {
        file: 'lab/model/cidr.ts',
        find: "  const slash = text.indexOf('/')\n",
        put: "  text = text.split(/[\\s,;]/)[0] ?? ''\n  const slash = text.indexOf('/')\n",
      },
    ],
    caughtBy: ['bug-4-text-becomes-rules', 'refused-block-of-words', 'refused-block-of-syntax'],
  },
  {
    name: 'the default deny is of IPv4 alone',
    bug: 'bug-5',
    patches: [inIngressGate("match(meta('nfproto'), 'ipv6'), accept")],
    caughtBy: ['bug-5-only-ipv4-is-denied', 'protocol-nothing-in/v6'],
  },
  {
    name: 'frames that are no IP are bridged to the neighbours',
    bug: 'bug-5',
    patches: [
      {
        file: RULESET,
        find: '  const isOf = (type:',
        put: `  plugged.push(link)
  const others = plugged.slice(2).filter((other) => other !== link)
  const bridged = others.map((dev) =>
    addRule('netdev', link, [
      { match: { op: '==', left: { payload: { protocol: 'ether', field: 'type' } }, right: 0x88cc } },
      { fwd: { dev } },
    ]),
  )
  const isOf = (type:`,
      },
      {
        file: RULESET,
        find: "    addRule('netdev', link, [jump('frames')]),",
        put: "    ...bridged,\n    addRule('netdev', link, [jump('frames')]),",
      },
      {
        file: RULESET,
        find: "const DIRECTIONS: readonly Direction[] = ['egress', 'ingress']",
        put: "const DIRECTIONS: readonly Direction[] = ['egress', 'ingress']\nconst plugged: string[] = []",
      },
    ],
    caughtBy: ['bug-5-other-frames-pass'],
  },
  {
    name: 'an ENI passes everything for three seconds, until its groups apply',
    bug: 'bug-6',
    patches: [
      {
        file: GATES,
        find: "addSet('inet', 'gateways', ['ifname']),",
        put: "addSet('inet', 'gateways', ['ifname']), addSet('inet', 'ungrouped', ['ifname']),",
      },
      inIngressGate("match(oif, inSet('ungrouped')), accept"),
      {
        file: FABRIC,
        find: "await kernel.call('apply', this.#ports.change(undefined, linked))",
        put: `const element = { element: { family: 'inet', table: 'enid', name: 'ungrouped', elem: [link] } }
      await kernel.call('apply', [...this.#ports.change(undefined, linked), { add: element }])
      this.plugs ??= new Map()
      const nth = (this.plugs.get(link) ?? 0) + 1
      this.plugs.set(link, nth)
      setTimeout(() => {
        if (this.plugs.get(link) === nth) void kernel.call('apply', [{ delete: element }]).catch(() => {})
      }, 3000)`,
      },
    ],
    caughtBy: ['bug-6-open-before-its-groups', 'plugged-closed'],
  },
  {
    name: 'a call is answered before its rules are in force',
    bug: 'bug-7',
    patches: [
      {
        file: 'lab/region.ts',
        find: 'await perform(this.#fabric, step.call)',
        put: `if (step.call.verb === 'putGroup' && step.undo.verb === 'putGroup') {
          setTimeout(() => void perform(this.#fabric, step.call), 150)
        } else await perform(this.#fabric, step.call)`,
      },
    ],
    caughtBy: ['bug-7-answered-before-in-force', 'in-force-on-return'],
  },
  {
    name: "what a subnet's ACL allows outranks the groups",
    bug: 'bug-8',
    patches: [
      {
        file: ACL,
        find: '? [...passedBy(name), goTo(allowedChain(direction))]',
        put: `? [${MARK}, ...passedBy(name), goTo(allowedChain(direction))]`,
      },
      inIngressGate(MARKED),
    ],
    caughtBy: ['bug-8-a-catch-all-outranks-the-group', 'acl-and-groups'],
  },
  {
    name: 'an ENI judges by the groups it was made with',
    bug: 'bug-8',
    patches: [
      { file: PLAN, find: 'return fabric.update(call.port)', put: 'return Promise.resolve()' },
    ],
    caughtBy: ['bug-8-a-group-that-never-arrived', 'group-moved', 'in-force-on-return-groups'],
  },
  {
    name: 'an ENI that was deleted goes on wearing its groups',
    bug: 'bug-9',
    patches: [
      {
        file: 'lab/model/world.ts',
        find: 'export const withoutEni = (world: World, eniId: string): World => ({',
        put: 'export const withoutEni = (world: World, eniId: string): World => eniId === eniId ? world : ({',
      },
    ],
    caughtBy: ['bug-9-a-group-nobody-can-delete'],
  },
  {
    name: 'IMDS answers under whatever address it is asked',
    bug: 'bug-10',
    patches: [
      {
        file: GATES,
        find: "addGate(chain, 'prerouting', BEFORE_DEFRAG),",
        put: "addGate(chain, 'prerouting', BEFORE_DEFRAG), rule(chain, match(payload('ip', 'daddr'), '169.254.169.254'), accept), rule(chain, match(payload('ip6', 'daddr'), 'fd00:ec2::254'), accept),",
      },
    ],
    caughtBy: ['bug-10-imds-for-a-wrong-source', 'imds-not-for-another'],
  },
  {
    name: 'a protocol by its number is all of them',
    bug: 'bug-11',
    patches: [{ file: PERMISSION, find: 'return BY_NUMBER.get(name) ?? name', put: "return '-1'" }],
    caughtBy: ['bug-11-numbers-and-capitals', 'protocol-tcp-by-number', 'protocol-ospf'],
  },
  {
    name: 'a protocol in capitals is all of them',
    bug: 'bug-11',
    patches: [
      {
        file: PERMISSION,
        find: 'if (Object.hasOwn(NAMES, name)) return name',
        put: "if (Object.hasOwn(NAMES, name)) return name === text ? name : '-1'",
      },
    ],
    caughtBy: ['bug-11-numbers-and-capitals', 'bug-11-icmp-types-ignored'],
  },
  {
    name: 'ICMP types are not looked at',
    bug: 'bug-11',
    patches: [
      {
        file: GROUP,
        find: "...(type === ANY ? [] : [match(payload(name, 'type'), type)]),",
        put: '',
      },
    ],
    caughtBy: ['bug-11-icmp-types-ignored', 'icmp-type-any-code', 'icmpv6-type-any-code'],
  },
  {
    name: 'a bad block is everywhere',
    bug: 'bug-12',
    patches: [
      {
        file: PERMISSION,
        find: "throw new Refusal('InvalidParameterValue', `CIDR block ${text ?? ''} is malformed`)",
        put: "return { kind, cidr: kind === 'ipv4' ? '0.0.0.0/0' : '::/0' }",
      },
    ],
    caughtBy: [
      'bug-12-a-bad-block-becomes-everywhere',
      'refused-block-too-long',
      'refused-as-a-whole',
    ],
  },
  {
    name: 'a rule with an IPv6 block alone is 0.0.0.0/0 too',
    bug: 'bug-13',
    patches: [
      {
        file: PERMISSION,
        find: '...(written.PrefixListIds ?? [])',
        put: "...((written.Ipv6Ranges ?? []).length > 0 && (written.IpRanges ?? []).length === 0 ? [permit({ kind: 'ipv4', cidr: '0.0.0.0/0' }, undefined)] : []), ...(written.PrefixListIds ?? [])",
      },
    ],
    caughtBy: ['bug-13-ipv6-only-opens-ipv4'],
  },
  {
    name: 'a prefix list without entries is everybody',
    bug: 'bug-13',
    patches: [
      {
        file: 'lab/model/plain-rules.ts',
        find: 'return entriesOf(list).map(',
        put: "return (entriesOf(list).length > 0 ? entriesOf(list) : [{ cidr: list.family === 'ipv4' ? '0.0.0.0/0' : '::/0' }]).map(",
      },
    ],
    caughtBy: ['bug-13-ipv6-only-opens-ipv4', 'list-empty'],
  },
]

const OTHERS: readonly Mutant[] = [
  {
    name: 'outbound rules are never asked',
    patches: [
      {
        file: GATES,
        find: "...gate('egress', -20, iif),",
        put: "addGate('egress_gate', 'forward', -20), rule('egress_gate', accept),",
      },
    ],
    caughtBy: ['protocol-nothing-out', 'block-out', 'group-out'],
  },
  {
    name: 'a port range ends before its last port',
    patches: [
      {
        file: GROUP,
        find: "'dport'), range(first, last))]",
        put: "'dport'), range(first, last > first ? last - 1 : last))]",
      },
    ],
    caughtBy: ['ports-tcp-in-range', 'ports-udp-out-range'],
  },
  {
    name: 'a port range begins before its first port',
    patches: [
      {
        file: GROUP,
        find: "'dport'), range(first, last))]",
        put: "'dport'), range(Math.max(0, first - 1), last))]",
      },
    ],
    caughtBy: ['ports-tcp-in-range', 'ports-tcp-in-one', 'ports-udp-two-ranges'],
  },
  {
    name: 'ports are those of the sender',
    patches: [{ file: GROUP, find: "'tcp' : 'udp', 'dport')", put: "'tcp' : 'udp', 'sport')" }],
    caughtBy: ['ports-tcp-of-the-receiver', 'protocol-udp'],
  },
  {
    name: 'ICMP codes are not looked at',
    patches: [
      {
        file: GROUP,
        find: "...(code === ANY ? [] : [match(payload(name, 'code'), code)]),",
        put: '',
      },
    ],
    caughtBy: ['icmp-type-and-code', 'icmpv6-type-and-code', 'icmp-code-of-echo'],
  },
  {
    name: 'a rule of one IP version matches the other',
    patches: [
      {
        file: GROUP,
        find: "match(meta('nfproto'), version),\n          ...peer,",
        put: '...peer,',
      },
    ],
    caughtBy: ['protocol-other-version', 'protocol-all-of-the-other-version'],
  },
  {
    name: 'other protocols are all of them',
    patches: [
      {
        file: GROUP,
        find: "return protocol === 'all' ? [] : [match(meta('l4proto'), bounded('protocol', protocol, 0, 255))]",
        put: 'return []',
      },
    ],
    caughtBy: ['protocol-ospf', 'protocol-out-by-number'],
  },
  {
    name: 'a block is one bit too wide',
    patches: [
      {
        file: GROUP,
        find: 'match(field, prefix(address, length))',
        put: 'match(field, prefix(address, length - 1))',
      },
    ],
    caughtBy: ['block-one-address', 'block-other-half'],
  },
  {
    name: 'outbound rules look at the sender',
    patches: [
      {
        file: GROUP,
        find: "const end = direction === 'ingress' ? 'saddr' : 'daddr'",
        put: "const end = 'saddr'",
      },
    ],
    caughtBy: ['block-out', 'list-out'],
  },
  {
    name: 'members of a group always reach each other',
    patches: [
      {
        file: PLAN,
        find: 'return { groupId: group.groupId, rules }',
        put: "return { groupId: group.groupId, rules: [...rules, { ruleId: 'sgr-itself', direction: 'ingress', protocol: 'all', peer: { kind: 'group', groupId: group.groupId } }] }",
      },
    ],
    caughtBy: ['group-not-itself'],
  },
  {
    name: 'an ENI is a member of its first group alone',
    patches: [
      {
        file: RULESET,
        find: '...wears.map((groupId) => inet(memberSet(groupId, version), address)),',
        put: '...wears.slice(0, 1).map((groupId) => inet(memberSet(groupId, version), address)),',
      },
    ],
    caughtBy: ['several-groups-member-by-second', 'group-joined-and-left'],
  },
  {
    name: 'a secondary address is no member of its groups',
    patches: [
      {
        file: RULESET,
        find: '...wears.map((groupId) => inet(memberSet(groupId, version), address)),',
        put: '...(address === addresses[0] ? wears : []).map((groupId) => inet(memberSet(groupId, version), address)),',
      },
    ],
    caughtBy: ['address-secondary-is-a-member-4'],
  },
  {
    name: 'the resolver lets nobody ask',
    patches: [
      {
        file: SERVICES,
        find: "rule(chain, match(payload('ip', address), '@resolver_ipv4'), ...dns),",
        put: '',
      },
    ],
    caughtBy: ['resolver-whatever-the-groups/v4', 'resolver-link-local'],
  },
  {
    name: 'of several groups the first alone is asked',
    patches: [
      {
        file: RULESET,
        find: '  const ids = [...new Set(groupIds)]\n',
        put: '  const ids = groupIds.slice(0, 1)\n',
      },
    ],
    caughtBy: ['several-groups-union', 'several-groups-union-out', 'several-groups-five'],
  },
  {
    name: 'the default group lets everybody in',
    patches: [
      {
        file: MODEL_GROUP,
        find: "peer: { kind: 'group', groupId: group.groupId },\n  }",
        put: "peer: { kind: 'ipv4', cidr: '0.0.0.0/0' },\n  }",
      },
    ],
    caughtBy: ['default-group/v4', 'default-group-left/v4'],
  },
  {
    name: 'every flow is tracked',
    patches: [
      {
        file: TRACKING,
        find: "if (protocol !== 'all' && protocol !== TCP && protocol !== UDP) return []",
        put: 'if (protocol !== undefined) return []',
      },
    ],
    caughtBy: ['untracked-tcp-ends', 'untracked-udp-comes-back', 'untracked-udp-by-its-sender'],
  },
  {
    name: 'a tracked flow ends with its rule',
    patches: [
      {
        file: TRACKING,
        find: TRACKED_RULES,
        put: "    way('reply', TRACKED[OTHER[direction]]),",
      },
    ],
    caughtBy: ['tracked-tcp-goes-on', 'tracked-udp-by-group', 'tracked-ping-always'],
  },
  {
    name: 'groups are stateless',
    patches: [
      {
        file: TRACKING,
        find: TRACKED_RULES,
        put: "    way('original', TRACKED[direction]),",
      },
    ],
    caughtBy: ['stateful-tcp', 'stateful-udp', 'stateful-ping', 'stateful-protocol'],
  },
  {
    name: "one end's memory of a flow is the other's too",
    patches: [
      {
        file: TRACKING,
        find: 'const TRACKED = { egress: 1, ingress: 2 } as const',
        put: 'const TRACKED = { egress: 1, ingress: 1 } as const',
      },
    ],
    caughtBy: ['untracked-tcp-by-its-sender', 'untracked-udp-by-its-sender'],
  },
  {
    name: "a group's answers pass by a rule to one address",
    patches: [
      {
        file: GROUP,
        find: '...(peer.length === 0 ? untracked(',
        put: '...(peer.length < 9 ? untracked(',
      },
    ],
    caughtBy: ['tracked-tcp-goes-on', 'tracked-udp-by-its-sender'],
  },
  {
    name: 'of an ACL the highest number decides',
    patches: [
      { file: ACL, find: 'a.ruleNumber - b.ruleNumber', put: 'b.ruleNumber - a.ruleNumber' },
    ],
    caughtBy: ['acl-first-denies', 'acl-deny-one-address'],
  },
  {
    name: "an ACL's entries stand in the order of their making",
    patches: [
      {
        file: ACL,
        find: '[...acl.entries].sort((a, b) => a.ruleNumber - b.ruleNumber)',
        put: '[...acl.entries]',
      },
    ],
    caughtBy: ['acl-number-not-time'],
  },
  {
    name: 'an ACL denies nothing that an entry names',
    patches: [
      {
        file: ACL,
        find: ': dropped(GATE_OF[direction], name)',
        put: ': [...passedBy(name), goTo(allowedChain(direction))]',
      },
    ],
    caughtBy: ['acl-first-denies', 'acl-deny-a-block', 'acl-icmp-code', 'fragments-at-a-border'],
  },
  {
    name: 'an ACL remembers flows',
    patches: [
      {
        file: BORDER,
        find: "addRule('inet', 'border_out', [isNear, accept]),",
        put: "addRule('inet', 'border_out', [isNear, accept]), addRule('inet', 'border_out', [{ match: { op: 'in', left: { ct: { key: 'state' } }, right: 'established' } }, accept]),",
      },
    ],
    caughtBy: ['acl-stateless-tcp', 'acl-ephemeral-udp', 'acl-cuts-a-flow-tcp'],
  },
  {
    name: 'an ACL judges within its subnet',
    patches: [
      {
        file: BORDER,
        find: "addRule('inet', name, [match(otherEnd, inSet(linkSet(subnetId))), accept]),",
        put: '',
      },
    ],
    caughtBy: ['acl-not-within-a-subnet', 'acl-sender-out-tcp'],
  },
  {
    name: 'a subnet keeps the ACL that it was made with',
    patches: [
      {
        file: 'lab/fabric/borders.ts',
        find: 'if (before?.aclId !== aclId || before',
        put: 'if (before === undefined || before',
      },
    ],
    caughtBy: ['acl-new-denies', 'acl-replaced'],
  },
  {
    name: "an ACL's ports are those of the sender",
    patches: [{ file: ACL, find: "'tcp' : 'udp', 'dport')", put: "'tcp' : 'udp', 'sport')" }],
    caughtBy: ['acl-range-tcp', 'acl-ephemeral-udp'],
  },
  {
    name: 'outbound entries look at the sender',
    patches: [{ file: ACL, find: "direction === 'ingress' ? 'saddr' : 'daddr',", put: "'saddr'," }],
    caughtBy: ['acl-out-is-who-is-sent-to', 'acl-sender-out-udp'],
  },
  {
    name: 'a source address is not looked at in IPv6',
    patches: [
      {
        file: GATES,
        find: "rule(chain, from('source_ipv6', payload('ip6', 'saddr')), accept),",
        put: "rule(chain, match(meta('nfproto'), 'ipv6'), accept),",
      },
    ],
    caughtBy: ['spoof-address/v6', 'spoof-a-member/v6'],
  },
  {
    name: 'a MAC is not looked at',
    patches: [
      {
        file: GATES,
        find: "refuse('frames', 'frames', 'spoofed MAC', match(concat(iif, etherSource), inSet('mac'), '!=')),",
        put: '',
      },
      {
        file: RULESET,
        find: "addRule('netdev', link, [isOwn, isOf('ip'), accept]),",
        put: "addRule('netdev', link, [isOf('ip'), accept]),",
      },
      {
        file: RULESET,
        find: "addRule('netdev', link, [isOwn, isOf('ip6'), accept]),",
        put: "addRule('netdev', link, [isOf('ip6'), accept]),",
      },
    ],
    caughtBy: ['spoof-mac'],
  },
  {
    name: 'ARP answers whoever asks under any name',
    patches: [
      {
        file: GATES,
        find: "rule(match(concat(iif, sender, address), inSet('arp_sender')), accept),",
        put: "rule(match(payload('ether', 'type'), 'arp'), accept),",
      },
    ],
    caughtBy: ['arp-lies'],
  },
  {
    name: 'the source check cannot be switched off',
    patches: [
      {
        file: RULESET,
        find: '...(sourceDestCheck || translates\n',
        put: '...(sourceDestCheck || !sourceDestCheck\n',
      },
    ],
    caughtBy: ['check-off-sends', 'check-on-again'],
  },
  {
    name: 'of a prefix list the first entry counts',
    patches: [
      {
        file: 'lab/model/plain-rules.ts',
        find: 'return entriesOf(list).map(',
        put: 'return entriesOf(list).slice(0, 1).map(',
      },
    ],
    caughtBy: ['list-several-entries'],
  },
  {
    name: 'the router lets nobody at IMDS',
    patches: [
      { file: SERVICES, find: `${IMDS_4} match(payload('tcp', port), 80), accept),`, put: '' },
      { file: SERVICES, find: `${IMDS_6} match(payload('tcp', port), 80), accept),`, put: '' },
    ],
    caughtBy: ['imds-whatever-the-groups', 'imds-whatever-the-acl'],
  },
  {
    name: 'the router answers on every port',
    patches: [
      { file: SERVICES, find: `${IMDS_4} match(payload('tcp', port), 80),`, put: IMDS_4 },
      { file: SERVICES, find: `${IMDS_6} match(payload('tcp', port), 80),`, put: IMDS_6 },
    ],
    caughtBy: ['imds-one-port'],
  },
  {
    name: 'a group may have any number of rules',
    patches: [
      {
        file: MODEL_GROUP,
        find: '  if (roomFor(rules, prefixLists)) return\n',
        put: '  if (roomFor(rules, prefixLists) || true) return\n',
      },
    ],
    caughtBy: ['quota-rules'],
  },
  {
    name: 'a group that is worn is deleted',
    patches: [{ file: MODEL_GROUP, find: '  if (worn || named) {', put: '  if (named) {' }],
    caughtBy: ['in-use-group-worn', 'bug-9-a-group-nobody-can-delete'],
  },
]

/** All of them. */
export const MUTANTS: readonly Mutant[] = [...BUGS, ...OTHERS, ...WAY_MUTANTS]
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: to here
