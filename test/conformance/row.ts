// The shape of a case: a row of data. Rules, entries and probes are short texts (text.ts reads them).
//
//   rules      'tcp 80-90 any' · 'icmp 8/0 10.0.0.0/8' · 'ping sg:client' · '-1 pl:list' · '47 a'
//   entries    '100 allow tcp 80 any' · '200 deny -1 a'
//   routes     'any igw' · 'Y f' · 'o/32 nat' · 'any6 eigw' · 'Y idle' (attached to nothing)
//   more       'X50' · 'X64/28'
//   probes     'a>b tcp 80' · 'a:4000>c udp 53' · 'a>b ping' · 'a>b proto 47' · '#flow' …
//   addresses  'a' · 'X50' · 'a!' (a's public one) · 'nat', 'nat!' (the NAT gateway's) · 'o' (outside)
//
// The stage is always the same: ENIs a, b and e in subnet X, c, d and g in Y, f and h in Z; what
// the rules do not say is as EC2 makes it: groups let everything out and nothing in, and every
// subnet has the default network ACL and the VPC's main route table. The NAT gateway is in Z; v, which wears
// `other`, is in a subnet of IPv6 alone where a row says so; o is a host
// outside the VPC, and cases in which it takes part are asked where there is one. a and d wear `client`, b and c wear `server`, the others
// `other`, unless the row says otherwise.

import type { Verdict } from './wire/wire.ts'

export type EniName = 'a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h'
export type SubnetName = 'X' | 'Y' | 'Z'
export type GroupName = 'client' | 'server' | 'other' | 'more' | 'fourth' | 'fifth'

/** A group's rules; `out` left out is EC2's own: everything. */
export type GroupRules = { readonly in?: readonly string[]; readonly out?: readonly string[] }

/** What is to be in force. What is left out is as the head of this file says. */
export type Given = {
  readonly groups?: { readonly [name in GroupName | 'default']?: GroupRules }
  readonly wear?: { readonly [name in EniName]?: readonly (GroupName | 'default')[] }
  /** A subnet that is named has a network ACL of its own, with these entries alone. */
  readonly acls?: { readonly [name in SubnetName]?: GroupRules }
  /** The entries of the two prefix lists. */
  readonly lists?: { readonly [name in 'list4' | 'list6']?: readonly string[] }
  /** ENIs whose source/destination check is off. */
  readonly unchecked?: readonly EniName[]
  /** A subnet that is named has a route table of its own, with these routes beside the local ones. */
  readonly routes?: { readonly [name in SubnetName]?: readonly string[] }
  /** The ENI `v`, in a subnet of IPv6 alone, takes part. */
  readonly native?: true
  /** ENIs that have an Elastic IP. */
  readonly public?: readonly EniName[]
  /** Addresses and prefixes beyond an ENI's first. */
  readonly more?: { readonly [name in EniName]?: readonly string[] }
}

/** One thing that a row does, in the order of its steps. */
export type Step =
  /** What is in force from now on, whole: nothing of what was before stays. */
  | { readonly now: Given }
  /** Probes, all at once, each with the verdict it must meet. */
  | { readonly see: { readonly [probe: string]: Verdict } }
  /** A call that must be refused with that code. `$server` and the like stand for ids. */
  | { readonly refused: string; readonly call: string; readonly input: object }
  /** A call that must succeed, beside what `now` can say; `keep` gives ids of its answer names. */
  | {
      readonly call: string
      readonly input: object
      readonly keep?: { readonly [name: string]: string }
    }
  /** The ENI is taken out and plugged in anew while a flood runs: none of it may ever arrive. */
  | { readonly replug: EniName; readonly knock: string }

/** A case. */
export type Row = {
  readonly id: string
  readonly area: string
  /** The IP versions that it is done in; one case for each. */
  readonly ip?: 4 | 6
  readonly given?: Given
  readonly steps: readonly Step[]
  /** Why AWS behaves so, in a sentence, and where it is documented. */
  readonly why: string
  readonly doc: string
}
