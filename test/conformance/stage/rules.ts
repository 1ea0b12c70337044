// Brings what a row says to be in force into force, by EC2 calls alone: what differs from before is
// revoked, authorised, replaced. What a row leaves out is as EC2 makes it.

import type { IpPermission } from '@aws-sdk/client-ec2'
import type { EniName, Given, GroupRules, SubnetName } from '../row.ts'
import { block, entry, permission } from '../text.ts'
import type { Ip } from '../wire/libc.ts'
import { ENI_NAMES, GROUPS, type Stage, SUBNETS } from './stage.ts'
import { Ways } from './ways.ts'

const EVERYTHING = ['-1 any4', '-1 any6']
const WEARS: Readonly<Record<EniName, readonly string[]>> = {
  a: ['client'],
  b: ['server'],
  c: ['server'],
  d: ['client'],
  e: ['other'],
  f: ['other'],
  g: ['other'],
  h: ['other'],
}
type Entry = ReturnType<typeof entry>

export class Rules {
  readonly #stage: Stage
  readonly #rules = new Map<string, Map<string, IpPermission>>()
  readonly #worn = new Map<EniName, string>()
  readonly #entries = new Map<string, Map<number, Entry>>()
  readonly #listed = new Map<string, Set<string>>()
  readonly #judges = new Map<SubnetName, string>()
  readonly #checked = new Map<EniName, boolean>()
  readonly #ways: Ways

  constructor(stage: Stage) {
    this.#stage = stage
    this.#ways = new Ways(stage)
    for (const group of [...GROUPS, 'default']) {
      this.#rules.set(`${group} out`, this.#read(EVERYTHING, 4))
      this.#rules.set(`${group} in`, this.#read(group === 'default' ? ['-1 sg:default'] : [], 4))
    }
  }

  /** Resolves when every call has been answered: then it is in force. */
  async apply(given: Given, ip: Ip): Promise<void> {
    const { groups = {}, wear = {}, acls = {}, lists = {}, unchecked = [] } = given
    if (given.native) await this.#stage.native()
    await this.#ways.apply(given, ip) // First: rules may name the addresses.
    await Promise.all(
      ([4, 6] as const).map((family) => this.#list(family, lists[`list${family}`] ?? [])),
    )
    await Promise.all(
      [...GROUPS, 'default' as const].flatMap((name) => {
        const own = name === 'default' ? ['-1 sg:default'] : []
        const { in: into = own, out = EVERYTHING } = groups[name] ?? {}
        return [this.#group(name, 'in', into, ip), this.#group(name, 'out', out, ip)]
      }),
    )
    await Promise.all(
      ENI_NAMES.flatMap((name) => [
        this.#wear(name, wear[name] ?? WEARS[name]),
        this.#check(name, !unchecked.includes(name)),
      ]),
    )
    for (const name of SUBNETS) await this.#acl(name, acls[name], ip)
    await this.#stage.ec2.settle()
  }

  /** As EC2 makes it all: nothing in, so that groups and lists can be deleted. */
  restore = (): Promise<void> => this.apply({}, 4)

  #read(texts: readonly string[], ip: Ip): Map<string, IpPermission> {
    const permissions = texts.map((text) => permission(text, ip, this.#stage))
    return new Map(permissions.map((each) => [JSON.stringify(each), each]))
  }

  async #group(name: string, way: 'in' | 'out', texts: readonly string[], ip: Ip): Promise<void> {
    const key = `${name} ${way}`
    const [before, after] = [this.#rules.get(key) ?? new Map(), this.#read(texts, ip)]
    const GroupId = this.#stage.id(name)
    const direction = way === 'in' ? 'Ingress' : 'Egress'
    const gone = [...before].filter(([text]) => !after.has(text)).map(([, each]) => each)
    const come = [...after].filter(([text]) => !before.has(text)).map(([, each]) => each)
    const change = async (verb: string, IpPermissions: IpPermission[]): Promise<void> => {
      if (IpPermissions.length === 0) return
      await this.#stage.ec2.call(`${verb}SecurityGroup${direction}`, { GroupId, IpPermissions })
    }
    await change('Revoke', gone)
    await change('Authorize', come)
    this.#rules.set(key, after)
  }

  async #list(family: Ip, texts: readonly string[]): Promise<void> {
    const name = `list${family}`
    const before = this.#listed.get(name) ?? new Set()
    const after = new Set(texts.map((text) => block(text, family, this.#stage)))
    const AddEntries = [...after].filter((cidr) => !before.has(cidr)).map((Cidr) => ({ Cidr }))
    const RemoveEntries = [...before].filter((cidr) => !after.has(cidr)).map((Cidr) => ({ Cidr }))
    if (AddEntries.length + RemoveEntries.length === 0) return
    const PrefixListId = this.#stage.id(name)
    const { PrefixLists } = await this.#stage.ec2.call<{ PrefixLists: { Version: number }[] }>(
      'DescribeManagedPrefixLists',
      { PrefixListIds: [PrefixListId] },
    )
    await this.#stage.ec2.call('ModifyManagedPrefixList', {
      PrefixListId,
      CurrentVersion: PrefixLists[0]?.Version,
      ...(AddEntries.length === 0 ? {} : { AddEntries }),
      ...(RemoveEntries.length === 0 ? {} : { RemoveEntries }),
    })
    this.#listed.set(name, after)
  }

  async #wear(name: EniName, groups: readonly string[]): Promise<void> {
    const key = groups.join(' ')
    if ((this.#worn.get(name) ?? 'other') === key) return
    await this.#stage.ec2.call('ModifyNetworkInterfaceAttribute', {
      NetworkInterfaceId: this.#stage.id(name),
      Groups: groups.map((group) => this.#stage.id(group)),
    })
    this.#worn.set(name, key)
  }

  async #check(name: EniName, on: boolean): Promise<void> {
    if ((this.#checked.get(name) ?? true) === on) return
    await this.#stage.ec2.call('ModifyNetworkInterfaceAttribute', {
      NetworkInterfaceId: this.#stage.id(name),
      SourceDestCheck: { Value: on },
    })
    this.#checked.set(name, on)
  }

  /** The entries first, then the association: what was before judges until all of it is there. */
  async #acl(name: SubnetName, rules: GroupRules | undefined, ip: Ip): Promise<void> {
    const { ec2, subnets } = this.#stage
    const place = subnets.get(name)
    if (place === undefined) throw new Error(`no subnet ${name}`)
    if (rules !== undefined) {
      await this.#entriesOf(name, false, rules.in ?? [], ip)
      await this.#entriesOf(name, true, rules.out ?? [], ip)
    }
    const NetworkAclId = rules === undefined ? place.aclId : this.#stage.id(`acl${name}`)
    if ((this.#judges.get(name) ?? place.aclId) === NetworkAclId) return
    const { NewAssociationId } = await ec2.call<{ NewAssociationId: string }>(
      'ReplaceNetworkAclAssociation',
      { AssociationId: place.associationId, NetworkAclId },
    )
    place.associationId = NewAssociationId
    this.#judges.set(name, NetworkAclId)
  }

  async #entriesOf(name: SubnetName, Egress: boolean, texts: readonly string[], ip: Ip) {
    const key = `${name} ${Egress}`
    const before = this.#entries.get(key) ?? new Map<number, Entry>()
    const read = texts.map((text) => entry(text, ip, this.#stage))
    const after = new Map(read.map((each) => [each.RuleNumber, each]))
    const acl = { NetworkAclId: this.#stage.id(`acl${name}`), Egress }
    for (const RuleNumber of before.keys()) {
      if (after.has(RuleNumber)) continue
      await this.#stage.ec2.call('DeleteNetworkAclEntry', { ...acl, RuleNumber })
    }
    for (const [number, each] of after) {
      const old = before.get(number)
      if (JSON.stringify(old) === JSON.stringify(each)) continue
      const verb = old === undefined ? 'Create' : 'Replace'
      await this.#stage.ec2.call(`${verb}NetworkAclEntry`, { ...acl, ...each })
    }
    this.#entries.set(key, after)
  }
}
