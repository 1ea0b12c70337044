// The rules of EC2 that our drivers lean on, over a map of ENIs: client tokens, one index one ENI,
// no delete while in use. It answers with the wire's own XML names.

import { randomBytes } from 'node:crypto'

type Xml = string | number | boolean | readonly Xml[] | { readonly [tag: string]: Xml | undefined }

export type FakeEni = {
  id: string
  token: string
  parameters: string
  subnetId: string
  ipv4: string
  groups: string[]
  tags: Record<string, string>
  isHidden: boolean
  /** Shown instead of what every ENI here has. */
  shown?: Readonly<Record<string, Xml>>
  attachment?: { id: string; instanceId: string; index: number; status: string; guard: boolean }
}

export type FakeAddress = {
  readonly id: string
  readonly publicIp: string
  readonly tags: Readonly<Record<string, string>>
  eniId?: string
  privateIp?: string
  associationId?: string
}

export class Refusal extends Error {
  readonly code: string
  readonly status: number
  constructor(code: string, message: string, status = 400) {
    super(message)
    this.code = code
    this.status = status
  }
}

const id = (prefix: string): string => `${prefix}-${randomBytes(9).toString('hex').slice(0, 17)}`
export class FakeVpc {
  readonly enis = new Map<string, FakeEni>()
  readonly addresses = new Map<string, FakeAddress>()
  readonly instanceId: string
  attachLimit = 15
  #nextAddress = 10

  constructor(instanceId: string) {
    this.instanceId = instanceId
  }

  /** Carries out one action. Throws a Refusal. */
  act(action: string, p: URLSearchParams): Xml {
    switch (action) {
      case 'CreateNetworkInterface':
        return { networkInterface: eniXml(this.#create(p)) }
      case 'AttachNetworkInterface':
        return this.#attach(p)
      case 'DetachNetworkInterface':
        return this.#detach(p.get('AttachmentId') ?? '')
      case 'DeleteNetworkInterface':
        return this.#delete(p.get('NetworkInterfaceId') ?? '')
      case 'ModifyNetworkInterfaceAttribute':
        return this.#modify(p)
      case 'DescribeNetworkInterfaces':
        return { networkInterfaceSet: this.#described(p).map(eniXml) }
      case 'AllocateAddress':
        return addressXml(this.#allocation(this.giveAddress({ tags: tagsOf(p) })))
      case 'AssociateAddress':
        return this.#associate(p)
      case 'DescribeAddresses':
        return { addressesSet: this.#addressesDescribed(p).map(addressXml) }
      case 'DisassociateAddress':
        return this.#disassociate(p.get('AssociationId') ?? '')
      case 'ReleaseAddress':
        return this.#releaseAddress(p.get('AllocationId') ?? '')
      case 'DescribeSubnets':
        return { subnetSet: (p.has('Filter.1.Name') ? ALL : listOf(p, 'SubnetId')).map(subnetXml) }
      case 'DescribeInstances':
        return { reservationSet: [{ instancesSet: [this.#instance()] }] }
      case 'DescribeInstanceTypes':
        return {
          instanceTypeSet: [{ networkInfo: { maximumNetworkInterfaces: 15, networkCards: CARDS } }],
        }
      case 'DescribeVpcs':
        return { vpcSet: [{ vpcId: 'vpc-1', cidrBlock: '10.0.0.0/16', dhcpOptionsId: 'dopt-1' }] }
      case 'DescribeDhcpOptions':
        return { dhcpOptionsSet: [{ dhcpConfigurationSet: DHCP }] }
      default:
        throw new Refusal('InvalidAction', action)
    }
  }

  /** An Elastic IP of the account; its allocation id. */
  giveAddress({ tags = {}, eniId }: { tags?: Record<string, string>; eniId?: string }): string {
    const allocationId = id('eipalloc')
    const at = eniId === undefined ? {} : { eniId, associationId: id('eipassoc') }
    const publicIp = `198.51.100.${this.addresses.size + 1}`
    this.addresses.set(allocationId, { id: allocationId, publicIp, tags, ...at })
    return allocationId
  }

  #allocation(allocationId: string): FakeAddress {
    const address = this.addresses.get(allocationId)
    if (address !== undefined) return address
    const text = `The allocation ID '${allocationId}' does not exist`
    throw new Refusal('InvalidAllocationID.NotFound', text)
  }

  #associate(p: URLSearchParams): Xml {
    const address = this.#allocation(p.get('AllocationId') ?? '')
    const eniId = p.get('NetworkInterfaceId') ?? ''
    const isTaken = address.eniId !== undefined && address.eniId !== eniId
    if (isTaken && p.get('AllowReassociation') !== 'true') {
      throw new Refusal('Resource.AlreadyAssociated', `${address.id} is already associated`)
    }
    const privateIp = p.get('PrivateIpAddress') ?? ''
    Object.assign(address, { eniId, privateIp, associationId: id('eipassoc') })
    return { associationId: address.associationId ?? '' }
  }

  #disassociate(associationId: string): Xml {
    for (const address of this.addresses.values()) {
      if (address.associationId !== associationId) continue
      delete address.eniId
      delete address.associationId
      return { return: true }
    }
    throw new Refusal('InvalidAssociationID.NotFound', associationId)
  }

  #releaseAddress(allocationId: string): Xml {
    const { associationId, publicIp } = this.#allocation(allocationId)
    if (associationId !== undefined) {
      throw new Refusal('InvalidIPAddress.InUse', `Address ${publicIp} is in use.`)
    }
    this.addresses.delete(allocationId)
    return { return: true }
  }

  #addressesDescribed(p: URLSearchParams): FakeAddress[] {
    let found = [...this.addresses.values()]
    for (let n = 1; p.has(`Filter.${n}.Name`); n++) {
      const name = p.get(`Filter.${n}.Name`) ?? ''
      const values = listOf(p, `Filter.${n}.Value`)
      found = found.filter(({ id, tags }) => {
        if (name === 'tag-key') return values.some((key) => key in tags)
        return values.includes(name.startsWith('tag:') ? (tags[name.slice(4)] ?? '') : id)
      })
    }
    return found
  }

  #create(p: URLSearchParams): FakeEni {
    const token = p.get('ClientToken') ?? ''
    const parameters = p.toString()
    const same = [...this.enis.values()].find((eni) => eni.token === token)
    if (same !== undefined && same.parameters !== parameters) {
      throw new Refusal('IdempotentParameterMismatch', 'other parameters, same token')
    }
    if (same !== undefined) return same
    const groups = listOf(p, 'SecurityGroupId')
    const eni: FakeEni = {
      id: id('eni'),
      token,
      parameters,
      subnetId: p.get('SubnetId') ?? '',
      ipv4: this.#address(p.get('PrivateIpAddress')),
      groups: groups.length > 0 ? groups : ['sg-default'],
      tags: tagsOf(p),
      isHidden: false,
    }
    this.enis.set(eni.id, eni)
    return eni
  }

  #address(asked: string | null): string {
    if (asked === null) return `10.0.0.${this.#nextAddress++}`
    if ([...this.enis.values()].every(({ ipv4 }) => ipv4 !== asked)) return asked
    throw new Refusal('InvalidIPAddress.InUse', `The specified address is in use: ${asked}`)
  }

  #attach(p: URLSearchParams): Xml {
    const eni = this.#eni(p.get('NetworkInterfaceId') ?? '')
    const index = Number(p.get('DeviceIndex'))
    const instanceId = p.get('InstanceId') ?? ''
    if (p.get('NetworkCardIndex') !== '0') throw new Refusal('InvalidParameterValue', 'no card')
    if (eni.attachment) {
      throw new Refusal(
        'InvalidParameterValue',
        `Network interface '${eni.id}' is currently in use.`,
      )
    }
    const attached = [...this.enis.values()].flatMap(({ attachment: a }) => (a ? [a] : []))
    if (attached.some((a) => a.instanceId === instanceId && a.index === index)) {
      const text = `Instance '${instanceId}' already has an interface attached at device index '${index}'.`
      throw new Refusal('InvalidParameterValue', text)
    }
    if (attached.length + 1 >= this.attachLimit) {
      const text = `Interface count ${this.attachLimit + 1} exceeds the limit for lab.unlimited`
      throw new Refusal('AttachmentLimitExceeded', text)
    }
    eni.attachment = { id: id('eni-attach'), instanceId, index, status: 'attaching', guard: false }
    return { attachmentId: eni.attachment.id }
  }

  #detach(attachmentId: string): Xml {
    const eni = [...this.enis.values()].find(({ attachment }) => attachment?.id === attachmentId)
    if (eni === undefined) {
      const text = `The interface attachment '${attachmentId}' does not exist.`
      throw new Refusal('InvalidAttachmentID.NotFound', text)
    }
    delete eni.attachment
    return { return: true }
  }

  #delete(eniId: string): Xml {
    const eni = this.#eni(eniId)
    if (eni.attachment) {
      throw new Refusal(
        'InvalidParameterValue',
        `Network interface '${eniId}' is currently in use.`,
      )
    }
    this.enis.delete(eniId)
    return { return: true }
  }

  #modify(p: URLSearchParams): Xml {
    const eni = this.#eni(p.get('NetworkInterfaceId') ?? '')
    const groups = listOf(p, 'SecurityGroupId')
    if (groups.length > 0) eni.groups = groups
    const attachmentId = p.get('Attachment.AttachmentId')
    if (attachmentId !== null && eni.attachment?.id !== attachmentId) {
      throw new Refusal('InvalidAttachmentID.NotFound', attachmentId)
    }
    if (eni.attachment) eni.attachment.guard = p.get('Attachment.DeleteOnTermination') === 'true'
    return { return: true }
  }

  #eni(eniId: string): FakeEni {
    const eni = this.enis.get(eniId)
    if (eni !== undefined) return eni
    const text = `The networkInterface ID '${eniId}' does not exist`
    throw new Refusal('InvalidNetworkInterfaceID.NotFound', text)
  }

  #described(p: URLSearchParams): FakeEni[] {
    let found = [...this.enis.values()].filter(({ isHidden }) => !isHidden)
    for (let n = 1; p.has(`Filter.${n}.Name`); n++) {
      const name = p.get(`Filter.${n}.Name`) ?? ''
      const values = listOf(p, `Filter.${n}.Value`)
      const wornBy = (eni: FakeEni) =>
        name.startsWith('tag:') ? (eni.tags[name.slice(4)] ?? '') : eni.id
      found = found.filter((eni) => values.includes(wornBy(eni)))
    }
    return found
  }

  #instance(): Xml {
    const attached = [...this.enis.values()].flatMap(({ id: eniId, attachment: a }) =>
      a ? [{ eniId, index: a.index }] : [],
    )
    const enis = [{ eniId: 'eni-host', index: 0 }, ...attached].map(({ eniId, index }) => ({
      networkInterfaceId: eniId,
      attachment: { deviceIndex: index, networkCardIndex: 0 },
    }))
    return { instanceId: this.instanceId, instanceType: 'm5.large', networkInterfaceSet: enis }
  }
}

const CARDS: Xml = [{ networkCardIndex: 0, maximumNetworkInterfaces: 3 }]
const DHCP: Xml = [
  { key: 'domain-name', valueSet: [{ value: 'corp.example us-west-2.compute.internal' }] },
  { key: 'domain-name-servers', valueSet: [{ value: 'AmazonProvidedDNS' }] },
]

const ALL = ['subnet-a', 'subnet-b', 'subnet-v6only']

/** subnet-full has no free address, subnet-v6only no IPv4, subnet-6 has IPv6, subnet-far is in another VPC. */
function subnetXml(subnetId: string): Xml {
  if (subnetId === 'subnet-none') {
    const text = `The subnet ID '${subnetId}' does not exist`
    throw new Refusal('InvalidSubnetID.NotFound', text)
  }
  const block = { ipv6CidrBlock: 'fd00::/64', ipv6CidrBlockState: { state: 'associated' } }
  return {
    subnetId,
    vpcId: subnetId === 'subnet-far' ? 'vpc-2' : 'vpc-1',
    cidrBlock: subnetId === 'subnet-v6only' ? undefined : '10.0.0.0/24',
    availabilityZone: 'us-west-2a',
    availableIpAddressCount: ['subnet-full', 'subnet-v6only'].includes(subnetId) ? 0 : 250,
    ipv6Native: subnetId === 'subnet-v6only',
    ipv6CidrBlockAssociationSet: ['subnet-6', 'subnet-v6only'].includes(subnetId) ? [block] : [],
  }
}

function eniXml(eni: FakeEni): Xml {
  const { attachment } = eni
  const hasIpv6 = eni.parameters.includes('Ipv6AddressCount=1')
  const chosen = new URLSearchParams(eni.parameters).get('Ipv6Addresses.1.Ipv6Address')
  return {
    networkInterfaceId: eni.id,
    subnetId: eni.subnetId,
    vpcId: 'vpc-1',
    availabilityZone: 'us-west-2a',
    status: attachment === undefined ? 'available' : 'in-use',
    macAddress: '02:AA:00:00:00:05',
    privateIpAddress: eni.subnetId === 'subnet-v6only' ? undefined : eni.ipv4,
    groupSet: eni.groups.map((groupId) => ({ groupId })),
    tagSet: Object.entries(eni.tags).map(([key, value]) => ({ key, value })),
    ipv6AddressesSet: hasIpv6
      ? [{ ipv6Address: 'fd00::5' }]
      : chosen
        ? [{ ipv6Address: chosen }]
        : [],
    attachment: attachment && {
      attachmentId: attachment.id,
      instanceId: attachment.instanceId,
      deviceIndex: attachment.index,
      status: attachment.status,
    },
    ...eni.shown,
  }
}

const addressXml = (address: FakeAddress): Xml => ({
  allocationId: address.id,
  publicIp: address.publicIp,
  networkInterfaceId: address.eniId,
  associationId: address.associationId,
  tagSet: Object.entries(address.tags).map(([key, value]) => ({ key, value })),
})

function listOf(p: URLSearchParams, key: string): string[] {
  const values: string[] = []
  for (let n = 1; p.has(`${key}.${n}`); n++) values.push(p.get(`${key}.${n}`) ?? '')
  return values
}

function tagsOf(p: URLSearchParams): Record<string, string> {
  const tags: Record<string, string> = {}
  for (let n = 1; p.has(`TagSpecification.1.Tag.${n}.Key`); n++) {
    const key = p.get(`TagSpecification.1.Tag.${n}.Key`) ?? ''
    tags[key] = p.get(`TagSpecification.1.Tag.${n}.Value`) ?? ''
  }
  return tags
}

/** Plain data as EC2's XML: an array's members are `item`s. */
export function xml(value: Xml | undefined): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.map((item) => `<item>${xml(item)}</item>`).join('')
  if (typeof value !== 'object') return String(value)
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([tag, inner]) => `<${tag}>${xml(inner)}</${tag}>`)
    .join('')
}
