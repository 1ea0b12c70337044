// Somebody who calls a lab's EC2 without end until it dies, and remembers what was answered: what the
// next lab must show, but for the one call that got no answer, which was done or was not.

import {
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateTagsCommand,
  DeleteNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupRulesCommand,
  DetachNetworkInterfaceCommand,
  type EC2Client,
  ModifyNetworkInterfaceAttributeCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import { expect } from 'vitest'

type Place = { readonly InstanceId: string; readonly SubnetId: string }
type Eni = {
  readonly token: string
  readonly tagged: string
  readonly attached: boolean
  readonly groups: readonly string[]
}
type State = { readonly enis: ReadonlyMap<string, Eni>; readonly rules: ReadonlySet<string> }
/** A call, and what there is once it was done; `made` is the id that it answered with. */
type Step = { readonly send: () => Promise<string>; readonly after: (made: string) => State }

/** A number below n. */
const pick = (n: number): number => Math.floor(Math.random() * n)

export class Caller {
  #state: State = { enis: new Map(), rules: new Set() }
  #pending: Step | undefined
  #groups: string[] = []
  #count = 0
  answered = 0

  /** Calls one after another, until one gets no answer. */
  async live(ec2: EC2Client, place: Place): Promise<void> {
    for (;;) {
      const step = this.#next(ec2, place)
      this.#pending = step
      try {
        this.#state = step.after(await step.send())
      } catch (error) {
        const isUnanswered = !(error instanceof Error && '$fault' in error)
        if (!isUnanswered) throw error
        return
      }
      this.#pending = undefined
      this.answered++
    }
  }

  /** What is described is what was answered, or that and the unanswered call. Goes on from there. */
  async compare(ec2: EC2Client): Promise<void> {
    const seen = await this.#look(ec2)
    const pending = this.#pending
    this.#pending = undefined
    const unknown = [...seen.enis.keys()].find((id) => !this.#state.enis.has(id)) ?? ''
    const done = pending?.after(unknown)
    if (done !== undefined && JSON.stringify(plain(done)) === JSON.stringify(plain(seen))) {
      this.#state = done
    }
    expect(plain(seen)).toEqual(plain(this.#state))
  }

  #next(ec2: EC2Client, { InstanceId, SubnetId }: Place): Step {
    const state = this.#state
    const { enis, rules } = state
    const ids = [...enis.keys()]
    const id = ids[pick(ids.length)]
    const eni = id === undefined ? undefined : enis.get(id)
    const withEni = (key: string, change: Partial<Eni>): State => {
      const was = enis.get(key) ?? { token: '', tagged: '', attached: false, groups: this.#groups }
      return { ...state, enis: new Map(enis).set(key, { ...was, ...change }) }
    }
    const [GroupId] = this.#groups
    if (GroupId === undefined) throw new Error('prepare first')
    const n = ++this.#count
    const kinds: (() => Step)[] = [
      () => ({
        send: async () => {
          const made = await ec2.send(
            new CreateNetworkInterfaceCommand({
              SubnetId,
              Groups: this.#groups,
              Description: `n${n}`,
              Ipv6AddressCount: pick(2),
              TagSpecifications: [
                { ResourceType: 'network-interface', Tags: [{ Key: 'n', Value: 'made' }] },
              ],
            }),
          )
          return made.NetworkInterface?.NetworkInterfaceId ?? ''
        },
        after: (made) =>
          made === ''
            ? state
            : withEni(made, { token: `n${n}`, tagged: 'made', groups: this.#groups }),
      }),
      () => {
        const port = String(1000 + pick(20))
        const IpPermissions = [
          {
            IpProtocol: 'tcp',
            FromPort: +port,
            ToPort: +port,
            IpRanges: [{ CidrIp: '10.0.0.0/16' }],
          },
        ]
        const next = new Set(rules)
        const had = next.delete(port)
        if (!had) next.add(port)
        const change = { GroupId, IpPermissions }
        return {
          send: async () => {
            if (had) await ec2.send(new RevokeSecurityGroupIngressCommand(change))
            else await ec2.send(new AuthorizeSecurityGroupIngressCommand(change))
            return ''
          },
          after: () => ({ ...state, rules: next }),
        }
      },
    ]
    if (id !== undefined && eni !== undefined) {
      const order = (send: () => Promise<unknown>, next: State): void => {
        const answered = async () => {
          await send()
          return ''
        }
        kinds.push(() => ({ send: answered, after: () => next }))
      }
      const tag = { Key: 'n', Value: String(n) }
      order(
        () => ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [tag] })),
        withEni(id, { tagged: String(n) }),
      )
      const groups = eni.groups.length === 2 ? [GroupId] : this.#groups
      order(
        () =>
          ec2.send(
            new ModifyNetworkInterfaceAttributeCommand({
              NetworkInterfaceId: id,
              Groups: [...groups],
            }),
          ),
        withEni(id, { groups }),
      )
      if (eni.attached) {
        order(() => this.#detach(ec2, id), withEni(id, { attached: false }))
      } else {
        const rest = new Map(enis)
        rest.delete(id)
        order(() => ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id })), {
          ...state,
          enis: rest,
        })
        const attach = { NetworkInterfaceId: id, InstanceId, DeviceIndex: 100 + n }
        // Twice: what moves links is what a kill must meet.
        for (const _ of [1, 2]) {
          order(
            () => ec2.send(new AttachNetworkInterfaceCommand(attach)),
            withEni(id, { attached: true }),
          )
        }
      }
    }
    const make = kinds[pick(kinds.length)]
    if (make === undefined) throw new Error('nothing to do')
    return make()
  }

  /** The two groups that ENIs wear. */
  async prepare(ec2: EC2Client, VpcId: string): Promise<void> {
    for (const GroupName of ['one', 'two']) {
      const made = await ec2.send(
        new CreateSecurityGroupCommand({ GroupName, Description: 'x', VpcId }),
      )
      this.#groups.push(made.GroupId ?? '')
    }
    this.#groups.sort()
  }

  async #detach(ec2: EC2Client, eniId: string): Promise<void> {
    const { NetworkInterfaces } = await ec2.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] }),
    )
    const AttachmentId = NetworkInterfaces?.[0]?.Attachment?.AttachmentId
    await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId }))
  }

  async #look(ec2: EC2Client): Promise<State> {
    const { NetworkInterfaces = [] } = await ec2.send(new DescribeNetworkInterfacesCommand({}))
    const { SecurityGroupRules = [] } = await ec2.send(
      new DescribeSecurityGroupRulesCommand({
        Filters: [{ Name: 'group-id', Values: this.#groups }],
      }),
    )
    const enis = NetworkInterfaces.filter(({ Description = '' }) => /^n\d+$/.test(Description)).map(
      (eni): [string, Eni] => [
        eni.NetworkInterfaceId ?? '',
        {
          token: eni.Description ?? '',
          tagged: eni.TagSet?.find(({ Key }) => Key === 'n')?.Value ?? '',
          attached: eni.Attachment?.Status === 'attached' && eni.Status === 'in-use',
          groups: (eni.Groups ?? []).map(({ GroupId = '' }) => GroupId).sort(),
        },
      ],
    )
    const ports = SecurityGroupRules.filter(({ IsEgress }) => IsEgress === false)
    return { enis: new Map(enis), rules: new Set(ports.map(({ FromPort }) => String(FromPort))) }
  }
}

const plain = ({ enis, rules }: State): object => ({
  enis: Object.fromEntries([...enis].sort(([a], [b]) => (a < b ? -1 : 1))),
  rules: [...rules].sort(),
})
