// Which lease an ENI gets, as a function from the world and a client's message to the answer. There is
// nothing to choose: an ENI's primary address is its own for as long as it lives, so no lease is ever
// kept in mind, taken or refused to somebody else. The rest is the subnet's, and the VPC's DHCP
// options. Pure.

import { isIPv4 } from 'node:net'
import { knownCidr } from '../model/addresses.ts'
import { addressAt, bitsOf, type Cidr, formatAddress, sizeOf } from '../model/cidr.ts'
import { optionsOf } from '../model/dhcp-options.ts'
import { hostName, nameServersOf } from '../model/dns-name.ts'
import { routerOf } from '../model/network-interface.ts'
import type { NetworkInterface, World } from '../model/world.ts'
import {
  addressBytes,
  DHCP,
  type DhcpReply,
  type DhcpRequest,
  OPTION,
  readAddress,
} from './message.ts'

/** A VPC's MTU (EC2 user guide), which the fabric's links have too. */
const MTU = 9001

/** How long a lease is good for, as EC2's is. */
export const LEASE_SECONDS = 3600

/** The answer to a message that came from that address; undefined: it gets none. */
export function answerDhcp(
  world: World,
  request: DhcpRequest,
  from: string,
): DhcpReply | undefined {
  const eni = eniAt(world, from)
  // The fabric vouches for the address it came from, and for nothing that it says.
  if (eni === undefined || request.mac !== eni.mac) return undefined
  const [primary = ''] = eni.ipv4
  const network = networkOf(world, eni)
  const { serverId } = network
  const chosen = request.options.get(OPTION.serverId)
  if (chosen !== undefined && !chosen.equals(addressBytes(serverId))) return undefined
  const own: [number, Buffer] = [OPTION.serverId, addressBytes(serverId)]
  const lease: [number, Buffer] = [OPTION.leaseSeconds, uint32(LEASE_SECONDS)]
  const told = wanted(request, network.options)
  switch (request.type) {
    case DHCP.discover:
      return reply(DHCP.offer, request, [own, lease, ...told], primary)
    case DHCP.request: {
      const asked = request.options.get(OPTION.requestedAddress)
      const address = asked === undefined ? request.clientAddress : readAddress(asked)
      if (address !== primary) return reply(DHCP.nak, request, [own])
      return reply(DHCP.ack, request, [own, lease, ...told], primary)
    }
    case DHCP.inform:
      return reply(DHCP.ack, request, [own, ...told])
    default:
      return undefined // A lease that is given back is as good as before.
  }
}

function reply(
  type: number,
  request: DhcpRequest,
  options: readonly [number, Buffer][],
  yourAddress?: string,
): DhcpReply {
  const address = yourAddress === undefined ? {} : { yourAddress }
  return { type, request, options: new Map(options), ...address }
}

/** Of the options those that the client names, all where it names none. */
function wanted({ options }: DhcpRequest, told: ReadonlyMap<number, Buffer>): [number, Buffer][] {
  const list = options.get(OPTION.wanted)
  return [...told].filter(([number]) => list === undefined || list.includes(number))
}

function networkOf(
  world: World,
  eni: NetworkInterface,
): { serverId: string; options: ReadonlyMap<number, Buffer> } {
  const vpc = world.vpcs.get(eni.vpcId)
  const subnet = world.subnets.get(eni.subnetId)
  const router = subnet === undefined ? undefined : routerOf(subnet).ipv4
  if (vpc === undefined || subnet?.ipv4Cidr === undefined || router === undefined) {
    throw new Error(`the model has ${eni.eniId} with an IPv4 address in no IPv4 subnet`)
  }
  const cidr = knownCidr(4, subnet.ipv4Cidr)
  const set = optionsOf(world, eni.vpcId)
  const addresses = (values: readonly string[] = []): Buffer =>
    Buffer.concat(values.filter((value) => isIPv4(value)).map(addressBytes))
  const [domain = ''] = set['domain-name'] ?? []
  const [nodeType = ''] = set['netbios-node-type'] ?? []
  const [label = ''] = (hostName(world, eni) ?? '').split('.', 1)
  const all: [number, Buffer][] = [
    [OPTION.subnetMask, addressBytes(maskOf(cidr))],
    [OPTION.router, addressBytes(router)],
    [OPTION.nameServers, addresses(nameServersOf(world, vpc))],
    [OPTION.hostName, Buffer.from(label)],
    [OPTION.domainName, Buffer.from(domain)],
    [OPTION.mtu, uint16(MTU)],
    [OPTION.broadcast, addressBytes(addressAt(cidr, sizeOf(cidr) - 1n))],
    [OPTION.ntpServers, addresses(set['ntp-servers'])],
    [OPTION.netbiosNameServers, addresses(set['netbios-name-servers'])],
    [OPTION.netbiosNodeType, nodeType === '' ? Buffer.alloc(0) : Buffer.of(Number(nodeType))],
  ]
  return { serverId: router, options: new Map(all.filter(([, value]) => value.length > 0)) }
}

function eniAt(world: World, ipv4: string): NetworkInterface | undefined {
  for (const eni of world.enis.values()) {
    if (eni.vpcId === world.homeVpcId && eni.ipv4.includes(ipv4)) return eni
  }
  return undefined
}

const maskOf = (cidr: Cidr): string => formatAddress(4, (1n << BigInt(bitsOf(4))) - sizeOf(cidr))

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
