// Instance types and the limits that attaching meets. Numbers: the table that AWS generates for its
// VPC resource controller (amazon-vpc-resource-controller-k8s, pkg/aws/vpc/limits.go, 2026-03-20).
// `lab.unlimited` is ours: this host, with slots for every ENI the region may have.

import { QUOTA } from './quota.ts'

export type InstanceType = {
  readonly name: string
  readonly hypervisor: 'nitro' | 'xen'
  readonly architecture: 'x86_64' | 'arm64'
  /** Interfaces over all cards, the primary one counted. */
  readonly eniCountMax: number
  readonly cardCount: number
  /** IPv4 addresses per interface; the same number of IPv6 addresses. */
  readonly addressesPerEni: number
}

/** The type an instance has unless told otherwise. */
export const LAB_TYPE = 'lab.unlimited'

const ROWS: readonly (readonly [names: string, enis: number, addresses: number])[] = [
  ['t3.nano t3.micro', 2, 2],
  ['t3.small t4g.small', 3, 4],
  ['t3.medium t3a.medium t4g.medium', 3, 6],
  ['t3.large', 3, 12],
  ['t3.xlarge t3.2xlarge', 4, 15],
  ['c5.large m5.large r5.large c5n.large', 3, 10],
  ['m6i.large m7i.large m7g.large m8g.large c6g.large m6g.large', 3, 10],
  ['c5.xlarge m5.xlarge r5.xlarge c5n.xlarge m6i.xlarge c7g.xlarge', 4, 15],
  ['c5.2xlarge m5.2xlarge m6i.2xlarge', 4, 15],
  ['c5.4xlarge m5.4xlarge c5.9xlarge m5.8xlarge m6i.4xlarge', 8, 30],
  ['c5.18xlarge m5.16xlarge m5.24xlarge c5n.18xlarge m6i.32xlarge', 15, 50],
  ['c6g.medium m6g.medium c7g.medium a1.medium', 2, 4],
]

/** Every type the lab knows, by name. */
export const INSTANCE_TYPES: ReadonlyMap<string, InstanceType> = new Map(
  [
    type({ name: LAB_TYPE, eniCountMax: QUOTA.enisPerRegion, addressesPerEni: 50 }),
    type({ name: 't2.micro', hypervisor: 'xen', eniCountMax: 2, addressesPerEni: 2 }),
    type({ name: 'm4.large', hypervisor: 'xen', eniCountMax: 2, addressesPerEni: 10 }),
    type({ name: 'p4d.24xlarge', eniCountMax: 60, cardCount: 4, addressesPerEni: 50 }),
    ...ROWS.flatMap(([names, eniCountMax, addressesPerEni]) =>
      names.split(' ').map((name) => type({ name, eniCountMax, addressesPerEni })),
    ),
  ].map((row) => [row.name, row]),
)

/** The type of that name; throws on a defect (an instance always has a known type). */
export function instanceType(name: string): InstanceType {
  const found = INSTANCE_TYPES.get(name)
  if (found === undefined) throw new Error(`the model holds an unknown instance type: ${name}`)
  return found
}

function type(
  row: Pick<InstanceType, 'name' | 'eniCountMax' | 'addressesPerEni'> & Partial<InstanceType>,
): InstanceType {
  const architecture = /^(a1|\w+g)\./.test(row.name) ? 'arm64' : 'x86_64'
  return { hypervisor: 'nitro', architecture, cardCount: 1, ...row }
}
