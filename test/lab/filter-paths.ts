// Where a row of an answer says what a filter is about, for the filters that are not simply named
// after the member (`attachment.device-index` is Attachment.DeviceIndex and needs no line here).

const list = (action: string, filters: string): string[] =>
  filters
    .trim()
    .split(/\s+/)
    .map((filter) => `${action} ${filter}`)

/** By filter, or by action and filter: the members, in lower case. */
export const FOUND_AT: Readonly<Record<string, RegExp>> = {
  'association.main': /^associations\.main$/,
  'association.association-id': /^associations\.networkaclassociationid$/,
  'addresses.association.owner-id': /^privateipaddresses\.association\.ipownerid$/,
  'DescribeNetworkInterfaces association.allocation-id': /^association\.allocationid$/,
  'DescribeNetworkInterfaces association.association-id': /^association\.associationid$/,
  'DescribeNetworkInterfaces association.ip-owner-id': /^association\.ipownerid$/,
  'DescribeNetworkInterfaces association.public-dns-name': /^association\.publicdnsname$/,
  'DescribeNetworkInterfaces association.public-ip': /^association\.publicip$/,
  'addresses.primary': /^privateipaddresses\.primary$/,
  'cidr-block-association.association-id': /^cidrblockassociationset\.associationid$/,
  'cidr-block-association.cidr-block': /^cidrblockassociationset\.cidrblock$/,
  'cidr-block-association.state': /^cidrblockassociationset\.cidrblockstate\.state$/,
  'ipv6-cidr-block-association.state': /^ipv6cidrblockassociationset\.ipv6cidrblockstate\.state$/,
  'DescribeVpcs cidr': /^cidrblock$/,
  'DescribeSubnets cidr': /^cidrblock$/,
  'DescribeDhcpOptions key': /^dhcpconfigurations\.key$/,
  'DescribeDhcpOptions value': /^dhcpconfigurations\.values\.value$/,
  default: /^isdefault$/,
  'entry.cidr': /^entries\.cidrblock$/,
  'entry.egress': /^entries\.egress$/,
  'entry.icmp.code': /^entries\.icmptypecode\.code$/,
  'entry.icmp.type': /^entries\.icmptypecode\.type$/,
  'entry.ipv6-cidr': /^entries\.ipv6cidrblock$/,
  'entry.port-range.from': /^entries\.portrange\.from$/,
  'entry.port-range.to': /^entries\.portrange\.to$/,
  'entry.protocol': /^entries\.protocol$/,
  'entry.rule-action': /^entries\.ruleaction$/,
  'entry.rule-number': /^entries\.rulenumber$/,
  'group-id': /^(groups\.)?groupid$/,
  'group-name': /^(groups\.)?groupname$/,
  'ip-permission.cidr': /^ippermissions\.ipranges\.cidrip$/,
  'ip-permission.from-port': /^ippermissions\.fromport$/,
  'ip-permission.group-id': /^ippermissions\.useridgrouppairs\.groupid$/,
  'ip-permission.ipv6-cidr': /^ippermissions\.ipv6ranges\.cidripv6$/,
  'ip-permission.prefix-list-id': /^ippermissions\.prefixlistids\.prefixlistid$/,
  'ip-permission.protocol': /^ippermissions\.ipprotocol$/,
  'ip-permission.to-port': /^ippermissions\.toport$/,
  'ip-permission.user-id': /^ippermissions\.useridgrouppairs\.userid$/,
  'egress.ip-permission.cidr': /^ippermissionsegress\.ipranges\.cidrip$/,
  'egress.ip-permission.from-port': /^ippermissionsegress\.fromport$/,
  'egress.ip-permission.group-id': /^ippermissionsegress\.useridgrouppairs\.groupid$/,
  'egress.ip-permission.ipv6-cidr': /^ippermissionsegress\.ipv6ranges\.cidripv6$/,
  'egress.ip-permission.prefix-list-id': /^ippermissionsegress\.prefixlistids\.prefixlistid$/,
  'egress.ip-permission.protocol': /^ippermissionsegress\.ipprotocol$/,
  'egress.ip-permission.to-port': /^ippermissionsegress\.toport$/,
  'egress.ip-permission.user-id': /^ippermissionsegress\.useridgrouppairs\.userid$/,
  'instance-state-code': /^(instance)?state\.code$/,
  'instance-state-name': /^(instance)?state\.name$/,
  'instance-status.reachability': /^instancestatus\.details\.status$/,
  'instance-status.status': /^instancestatus\.status$/,
  'system-status.reachability': /^systemstatus\.details\.status$/,
  'system-status.status': /^systemstatus\.status$/,
  'network-info.maximum-network-interfaces': /^networkinfo\.maximumnetworkinterfaces$/,
  'processor-info.supported-architecture': /^processorinfo\.supportedarchitectures$/,
  'availability-zone': /^(placement\.)?availabilityzone$/,
  'availability-zone-id': /^(placement\.)?availabilityzoneid$/,
  'dns-name': /^publicdnsname$/,
  'instance.group-id': /^securitygroups\.groupid$/,
  'instance.group-name': /^securitygroups\.groupname$/,
  'ip-address': /^publicipaddress$/,
  'ipv6-address': /^networkinterfaces\.ipv6addresses\.ipv6address$/,
  'launch-index': /^amilaunchindex$/,
  'monitoring-state': /^monitoring\.state$/,
  'network-interface.availability-zone': /^placement\.availabilityzone$/,
  'network-interface.attachment.instance-id': /^instanceid$/,
  'network-interface.association.ip-owner-id': /^networkinterfaces\.association\.ipownerid$/,
  'network-interface.association.public-dns-name':
    /^networkinterfaces\.association\.publicdnsname$/,
  'network-interface.association.public-ip': /^networkinterfaces\.association\.publicip$/,
  'network-interface.group-id': /^networkinterfaces\.groups\.groupid$/,
  'network-interface.group-name': /^networkinterfaces\.groups\.groupname$/,
  'network-interface.ipv6-address': /^networkinterfaces\.ipv6addresses\.ipv6address$/,
  'network-interface.status': /^networkinterfaces\.status$/,
  'placement-group-name': /^placement\.groupname$/,
  tenancy: /^placement\.tenancy$/,
}

/** Filters on what the answer implies and does not say: they find something. */
export const IMPLIED: ReadonlySet<string> = new Set([
  ...list(
    'DescribeInstances',
    `network-interface.addresses.association.allocation-id
     network-interface.addresses.association.association-id
     network-interface.association.allocation-id network-interface.association.association-id
     network-interface.attachment.instance-owner-id network-interface.requester-id
     network-interface.requester-managed network-interface.tag-key network-interface.tag-value`,
  ),
  ...list('DescribeSecurityGroups', 'ip-permission.group-name egress.ip-permission.group-name'),
])

/** Filters on what nothing in the lab has: EC2 knows them, and they find nothing. */
export const ABSENT: ReadonlySet<string> = new Set([
  ...list('DescribeAvailabilityZones', `message parent-zone-id parent-zone-name`),
  ...list(
    'DescribeInstanceStatus',
    `event.code event.description event.instance-event-id event.not-after
     event.not-before event.not-before-deadline operator.principal`,
  ),
  ...list(
    'DescribeInstances',
    `affinity capacity-reservation-id client-token host-id iam-instance-profile.arn
     iam-instance-profile.id instance-lifecycle kernel-id key-name
     network-interface.addresses.association.carrier-ip
     network-interface.addresses.association.customer-owned-ip
     network-interface.association.carrier-ip
     network-interface.association.customer-owned-ip
     network-interface.ipv4-prefixes.ipv4-prefix
     network-interface.ipv6-prefixes.ipv6-prefix network-interface.operator.principal
     network-interface.outpost-arn network-interface.public-dns-name operator.principal
     outpost-arn placement-partition-number platform product-code product-code.type
     ramdisk-id reason requester-id spot-instance-request-id state-reason-code
     state-reason-message`,
  ),
  ...list('DescribeNetworkInterfaces', `operator.principal`),
  ...list(
    'DescribeRouteTables',
    `association.gateway-id route.destination-prefix-list-id
     route.transit-gateway-id route.vpc-peering-connection-id`,
  ),
  ...list('DescribeSubnets', `customer-owned-ipv4-pool enable-lni-at-device-index outpost-arn`),
])
