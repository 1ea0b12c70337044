// Public names, as a function from a question to a verdict: `ec2-198-51-100-5.…amazonaws.com` for each
// public address of the lab's that stands for one of an ENI. Inside the VPC the name means the private
// address, outside the public one (VPC user guide, "DNS attributes for your VPC"). Pure.
//
// The names of all other addresses are AWS's own, and are forwarded.

import { knownCidr } from '../model/addresses.ts'
import { formatAddress, holds, parseAddress } from '../model/cidr.ts'
import { isNamed, PUBLIC_LABEL, publicDnsName, publicDomain } from '../model/dns-name.ts'
import { PUBLIC_POOL } from '../model/public-address.ts'
import type { PublicAddress } from '../model/way-out.ts'
import { REGION, type World } from '../model/world.ts'
import { addressOfReverse } from './reverse.ts'
import { answered, type Question, type Verdict } from './verdict.ts'

/** Who asks: a host of the VPC, or one on the Internet. */
export type Side = 'inside' | 'outside'

/** Answers for the lab's public addresses; all other names are to be forwarded. */
export function lookUpPublic(world: World, question: Question, side: Side): Verdict {
  const name = question.name.toLowerCase()
  const reverse = addressOfReverse(name)
  const asked =
    reverse?.family === 4 ? formatAddress(4, reverse.value) : addressOfName(name, REGION)
  if (asked === undefined || !isOurs(asked)) return { kind: 'forward' }
  const zone = reverse === undefined ? publicDomain(REGION) : 'in-addr.arpa'
  const address = world.publicAddresses.get(asked)
  const vpc = world.vpcs.get(world.enis.get(address?.association?.eniId ?? '')?.vpcId ?? '')
  if (address === undefined || vpc === undefined || !isNamed(vpc)) {
    return { kind: 'no-such-name', zone }
  }
  const isAtHome = side === 'inside' && vpc.vpcId === world.homeVpcId
  const data = isAtHome ? privateOf(address) : asked
  return answered(question, zone, [
    reverse === undefined
      ? { type: 'A', data }
      : { type: 'PTR', data: publicDnsName(asked, REGION) },
  ])
}

/** The address that a public name is of, as EC2 writes it and in no other way. */
function addressOfName(name: string, region: string): string | undefined {
  const end = `.${publicDomain(region)}`
  if (!name.startsWith(PUBLIC_LABEL) || !name.endsWith(end)) return undefined
  const ipv4 = name.slice(PUBLIC_LABEL.length, -end.length).replaceAll('-', '.')
  return parseAddress(4, ipv4) === undefined ? undefined : ipv4
}

const isOurs = (ipv4: string): boolean =>
  holds(knownCidr(4, PUBLIC_POOL), parseAddress(4, ipv4) ?? 0n)

const privateOf = ({ publicIp, association }: PublicAddress): string =>
  association?.privateIp ?? publicIp
