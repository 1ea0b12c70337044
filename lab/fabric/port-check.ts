// What the fabric asks of a port before it touches the kernel. Pure. Every refusal names the ENI,
// the field, the value and what is allowed.

import { canonical, familyOf } from './address.ts'
import type { Port } from './fabric.ts'

const ENI_ID = /^[a-z][a-z0-9-]{0,63}$/i
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/

/**
 * The port with its MAC and addresses written the one way. Throws when it cannot be enforced: a
 * malformed field, a group that is not known, or an address that one of the `others` has.
 */
export function checkPort(
  port: Port,
  groups: ReadonlyMap<string, unknown>,
  others: readonly Port[],
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
  const checked = {
    ...port,
    mac,
    ipv4: [...new Set(port.ipv4.map(canonical))],
    ipv6: [...new Set(port.ipv6.map(canonical))],
  }
  const mine = new Set([...checked.ipv4, ...checked.ipv6])
  for (const other of others) {
    const taken = [...other.ipv4, ...other.ipv6].find((address) => mine.has(address))
    if (taken !== undefined) refuse(`address ${taken} is in use by ${other.eniId}`)
  }
  return checked
}
