// What the fabric asks of a port before it touches the kernel. Pure. Every refusal names the ENI,
// the field, the value and what is allowed.

import { canonical, familyOf, parseCidr } from './address.ts'
import { DELEGATED_LENGTH } from './delegated-prefix.ts'
import type { Port } from './fabric.ts'

const ENI_ID = /^[a-z][a-z0-9-]{0,63}$/i
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/

/**
 * The port with its MAC and addresses written the one way. Throws when it cannot be enforced: a
 * malformed field, a group that is not known, or an address that one of the `others` has, alone or
 * in a prefix.
 */
export function checkPort(
  port: Port,
  groups: ReadonlyMap<string, unknown>,
  others: Iterable<Port>,
): Port {
  const refuse = (what: string): never => {
    throw new Error(`port ${port.eniId}: ${what}`)
  }
  if (!ENI_ID.test(port.eniId)) refuse("eniId must be letters, digits and '-', at most 64")
  const mac = port.mac.toLowerCase()
  if (!MAC.test(mac)) refuse(`mac is '${port.mac}'; write six bytes as 02:00:00:00:00:01`)
  if (Number.parseInt(mac.slice(0, 2), 16) & 1) refuse(`mac ${mac} is a multicast address`)
  for (const [field, family] of [
    ['ipv4', 'ipv4'],
    ['ipv6', 'ipv6'],
  ] as const) {
    const wrong = port[field].find((address) => familyOf(address) !== family)
    if (wrong !== undefined) refuse(`${field} has '${wrong}', which is no ${family} address`)
  }
  const unknown = port.groupIds.find((groupId) => !groups.has(groupId))
  if (unknown !== undefined) refuse(`group ${unknown} is not known; put the group first`)
  const prefixes = [...new Set((port.prefixes ?? []).map((prefix) => delegated(prefix, refuse)))]
  const checked = {
    ...port,
    mac,
    ipv4: [...new Set(port.ipv4.map(canonical))],
    ipv6: [...new Set(port.ipv6.map(canonical))],
    ...(port.prefixes === undefined ? {} : { prefixes }),
  }
  const mine = new Set([...checked.ipv4, ...checked.ipv6])
  for (const other of others) {
    const isMine = (address: string): boolean => mine.has(address)
    const taken = other.ipv4.find(isMine) ?? other.ipv6.find(isMine)
    if (taken !== undefined) refuse(`address ${taken} is in use by ${other.eniId}`)
    const shared = sharedPrefix(checked, other) ?? sharedPrefix(other, checked)
    if (shared !== undefined) refuse(`prefix ${shared} shares an address with ${other.eniId}`)
  }
  return checked
}

/** A prefix in the one way to write it; refuses one that is not of the length, or not aligned. */
function delegated(text: string, refuse: (what: string) => never): string {
  const family = familyOf(text.split('/')[0] ?? '') ?? 'ipv4'
  const { address, length } = parseCidr(text, family)
  if (length !== DELEGATED_LENGTH[family]) {
    refuse(`prefix ${text} must be a /${DELEGATED_LENGTH[family]}`)
  }
  if (canonical(text.split('/')[0] ?? '') !== canonical(address)) {
    refuse(`prefix ${text} must begin at ${address}`)
  }
  return `${address}/${length}`
}

/** A prefix of the one that holds an address, or is a prefix, of the other. */
function sharedPrefix({ prefixes = [] }: Port, other: Port): string | undefined {
  if (prefixes.length === 0) return undefined
  const inside = new Set([
    ...(other.prefixes ?? []),
    ...[...other.ipv4, ...other.ipv6].map((address) => {
      const family = familyOf(address) ?? 'ipv4'
      const network = parseCidr(`${address}/${DELEGATED_LENGTH[family]}`, family)
      return `${network.address}/${network.length}`
    }),
  ])
  return prefixes.find((prefix) => inside.has(prefix))
}
