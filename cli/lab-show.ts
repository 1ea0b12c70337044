// `enid lab show`: the VPC on one page, and who may reach whom.
//
//   vpc vpc-… 10.0.0.0/16
//     subnet-… us-west-2a 10.0.0.0/24 acl-…
//       eni-… 10.0.0.4 [web] on i-…
//
//   FROM            MAY REACH     IPV4          IPV6
//   eni-… [client]  eni-… [web]   tcp 80,443    tcp 80,443

import type { Call } from './command.ts'
import { EXIT } from './command.ts'
import type { LabConnection } from './lab-connection.ts'
import { table } from './table.ts'

/** What the lab answers; its own name for it is Picture. */
export type VpcPicture = {
  readonly vpcId: string
  readonly ipv4Cidr: string
  readonly ipv6Cidr?: string
  readonly subnets: readonly {
    readonly subnetId: string
    readonly zone: string
    readonly ipv4Cidr?: string
    readonly ipv6Cidr?: string
    readonly aclId: string
    readonly enis: readonly {
      readonly eniId: string
      readonly ipv4: readonly string[]
      readonly ipv6: readonly string[]
      readonly prefixes: readonly string[]
      readonly groupIds: readonly string[]
      readonly description: string
      readonly attachedTo?: string
    }[]
  }[]
  readonly groups: readonly { groupId: string; name: string; eniCount: number; ruleCount: number }[]
  readonly parties: readonly {
    readonly eniIds: readonly string[]
    readonly subnetId: string
    readonly groupIds: readonly string[]
  }[]
  readonly reaches: readonly {
    readonly from: number
    readonly to: number
    readonly ipv4?: string
    readonly ipv6?: string
    readonly unanswered?: readonly string[]
  }[]
}

/** `enid lab show [--json]`. */
export async function labShow(lab: LabConnection, call: Call): Promise<number> {
  const picture = (await lab.ask('GET', '/lab/picture')) as VpcPicture
  const text = call.on('json') ? JSON.stringify(picture, null, 2) : drawn(picture)
  process.stdout.write(`${text}\n`)
  return EXIT.ok
}

/** The picture in lines. */
export function drawn(picture: VpcPicture): string {
  const { groups, parties, reaches } = picture
  const names = new Map(groups.map(({ groupId, name }) => [groupId, name]))
  const wearing = (groupIds: readonly string[]): string =>
    `[${groupIds.map((groupId) => names.get(groupId) ?? groupId).join(', ')}]`
  const who = (at: number): string => {
    const party = parties[at]
    if (party === undefined) return '?'
    const [first = '', ...more] = party.eniIds
    return `${more.length === 0 ? first : `${party.eniIds.length} ENIs of ${party.subnetId}`} ${wearing(party.groupIds)}`
  }
  const answerless = (version: string, unanswered: readonly string[] = []): string =>
    unanswered.includes(version) ? ' (no way back)' : ''
  const matrix = reaches.map(({ from, to, ipv4, ipv6, unanswered }) => [
    who(from),
    who(to),
    ipv4 === undefined ? '-' : `${ipv4}${answerless('ipv4', unanswered)}`,
    ipv6 === undefined ? '-' : `${ipv6}${answerless('ipv6', unanswered)}`,
  ])
  return [
    tree(picture, wearing).join('\n'),
    table(
      ['GROUP', 'NAME', 'ENIS', 'RULES'],
      groups.map((g) => [g.groupId, g.name, String(g.eniCount), String(g.ruleCount)]),
    ),
    matrix.length === 0
      ? 'nobody may reach anybody: of the ENIs that are plugged in, no two have rules that agree'
      : table(['FROM', 'MAY REACH', 'IPV4', 'IPV6'], matrix),
  ].join('\n\n')
}

function tree(
  { vpcId, ipv4Cidr, ipv6Cidr, subnets }: VpcPicture,
  wearing: (groupIds: readonly string[]) => string,
): string[] {
  const line = (...words: (string | undefined)[]): string => words.filter(Boolean).join(' ')
  return [
    line('vpc', vpcId, ipv4Cidr, ipv6Cidr),
    ...subnets.flatMap(({ subnetId, zone, ipv4Cidr, ipv6Cidr, aclId, enis }) => [
      `  ${line(subnetId, zone, ipv4Cidr, ipv6Cidr, aclId)}`,
      ...enis.map(({ eniId, ipv4, ipv6, prefixes, groupIds, attachedTo, description }) => {
        const where = attachedTo === undefined ? '(not attached)' : `on ${attachedTo}`
        return `    ${line(eniId, ...ipv4, ...ipv6, ...prefixes, wearing(groupIds), where, description)}`
      }),
    ]),
  ]
}
