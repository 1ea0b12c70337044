// What the fabric calls things in the world: namespaces, links and the mark that every link wears.
// Every name carries the lab's, so that two labs on one machine never meet.

import { createHash } from 'node:crypto'

/** The name of a lab's namespace, or of one beside it: a lab's own name never has a dot. */
export const fabricNamespace = (lab: string, beside?: string): string =>
  beside === undefined ? `enid-lab-${lab}` : `enid-lab-${lab}.${beside}`

/** The alias of both ends of an ENI's link; without an ENI, how a lab's aliases begin. */
export const markOf = (lab: string, eniId = ''): string => `enid-lab:${lab}:${eniId}`

/** The alias of one of the fabric's links that lead out of the VPC: no ENI's. */
export const wayMarkOf = (lab: string, link: string): string => `enid-lab-way:${lab}:${link}`

/** The ENI of a link that wears this mark; of another lab's link, or of none, empty. */
export const eniOf = (lab: string, mark: string): string =>
  mark.startsWith(markOf(lab)) ? mark.slice(markOf(lab).length) : ''

/**
 * The names of an ENI's link, in the fabric and in the guest: at most 15 characters, the same every
 * time, never `eth0`, and of another lab's ENI never the same.
 */
export function linkNames(lab: string, eniId: string): { fabric: string; guest: string } {
  const tag = tagOf(`${lab}:${eniId}`)
  return { fabric: `e${tag}`, guest: `ens${tag}` }
}

/**
 * What a lab's way to the real Internet is called on the host: its link, by a name that firewalls can
 * match (`enid-+` is every lab's), and its nftables table. `number` is 0 to 65535, by the lab's name.
 */
export function uplinkNames(lab: string): { link: string; table: string; number: number } {
  const number = createHash('sha256').update(lab).digest().readUInt16BE()
  return { link: `enid-${tagOf(`${lab}:uplink`)}`, table: `enid-lab-${lab}`, number }
}

/** Ten characters that are the same every time. */
const tagOf = (text: string): string =>
  BigInt(`0x${createHash('sha256').update(text).digest('hex')}`)
    .toString(36)
    .slice(0, 10)
