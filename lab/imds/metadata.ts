// What IMDS tells an instance, as leaves by path below /latest/. A leaf that EC2 leaves out (no
// IPv6, no prefix, no public address) is absent here too: a client sees 404, not an empty text.

import { hostName } from '../model/dns-name.ts'
import { instanceType } from '../model/instance-type.ts'
import { metadataOptionsOf } from '../model/metadata-options.ts'
import { attachedTo } from '../model/network-interface.ts'
import { addressFor, associatedWith, publicNameIn } from '../model/public-address.ts'
import { tagsOf } from '../model/tag-rules.ts'
import {
  ACCOUNT_ID,
  type Attachment,
  IMAGE_ID,
  type Instance,
  type NetworkInterface,
  REGION,
  type World,
  ZONES,
} from '../model/world.ts'

type Leaves = Map<string, string>
type Attached = NetworkInterface & { readonly attachment: Attachment }

/** Every leaf that instance can read, by its path below `/latest/`. */
export function metadata(world: World, instance: Instance): ReadonlyMap<string, string> {
  const enis = attachedTo(world, instance.instanceId)
  const leaves: Leaves = new Map()
  const set = (path: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') leaves.set(`meta-data/${path}`, value)
  }
  const zone = ZONES.find((each) => each.name === instance.zone)
  const primary = enis.find((eni) => eni.attachment.deviceIndex === 0)
  set('ami-id', IMAGE_ID)
  set('ami-launch-index', '0')
  set('instance-id', instance.instanceId)
  set('instance-life-cycle', 'on-demand')
  set('instance-type', instance.instanceType)
  set('reservation-id', instance.reservationId)
  set('placement/availability-zone', instance.zone)
  set('placement/availability-zone-id', zone?.zoneId)
  set('placement/region', REGION)
  set('services/domain', 'amazonaws.com')
  set('services/partition', 'aws')
  if (primary !== undefined) setPrimary(world, primary, set)
  for (const eni of enis) setInterface(world, eni, set)
  setTags(world, instance, leaves)
  leaves.set('dynamic/instance-identity/document', identityDocument(instance, primary))
  return leaves
}

type Set = (path: string, value: string | undefined) => void

function setPrimary(world: World, eni: NetworkInterface, set: Set): void {
  const ipv4 = eni.ipv4[0]
  const name = hostName(world, eni)
  set('hostname', name)
  set('local-hostname', name)
  set('local-ipv4', ipv4)
  set('ipv6', eni.ipv6[0])
  set('mac', eni.mac)
  const publicIp = addressFor(world, eni.eniId, ipv4 ?? '')?.publicIp
  set('public-ipv4', publicIp)
  set('public-hostname', publicIp && publicNameIn(world, eni.vpcId, publicIp))
  set('security-groups', groupNames(world, eni))
}

/** Where the instance's options say so. An empty value is a leaf as well. */
function setTags(world: World, instance: Instance, leaves: Leaves): void {
  if (metadataOptionsOf(instance).instanceMetadataTags !== 'enabled') return
  for (const [key, value] of tagsOf(world, instance.instanceId)) {
    leaves.set(`meta-data/tags/instance/${key}`, value)
  }
}

function setInterface(world: World, eni: Attached, set: Set): void {
  const vpc = world.vpcs.get(eni.vpcId)
  const subnet = world.subnets.get(eni.subnetId)
  const own = (path: string, value: string | undefined): void =>
    set(`network/interfaces/macs/${eni.mac}/${path}`, value)
  own('device-number', String(eni.attachment.deviceIndex))
  own('interface-id', eni.eniId)
  own('ipv4-prefix', eni.ipv4Prefixes.join('\n'))
  own('ipv6-prefix', eni.ipv6Prefixes.join('\n'))
  own('ipv6s', eni.ipv6.join('\n'))
  own('local-hostname', hostName(world, eni))
  own('local-ipv4s', eni.ipv4.join('\n'))
  own('mac', eni.mac)
  own('network-card', '0')
  own('network-card-index', '0')
  own('owner-id', ACCOUNT_ID)
  const addresses = associatedWith(world, eni.eniId)
  const primary = addresses.find((each) => each.association.privateIp === eni.ipv4[0])?.publicIp
  for (const { publicIp, association } of addresses) {
    own(`ipv4-associations/${publicIp}`, association.privateIp)
  }
  own('public-hostname', primary && publicNameIn(world, eni.vpcId, primary))
  own('public-ipv4s', addresses.map(({ publicIp }) => publicIp).join('\n'))
  own('security-group-ids', eni.groupIds.join('\n'))
  own('security-groups', groupNames(world, eni))
  own('subnet-id', eni.subnetId)
  own('subnet-ipv4-cidr-block', subnet?.ipv4Cidr)
  own('subnet-ipv6-cidr-blocks', subnet?.ipv6Cidr)
  own('vpc-id', eni.vpcId)
  own('vpc-ipv4-cidr-block', vpc?.ipv4Cidr)
  own('vpc-ipv4-cidr-blocks', vpc?.ipv4Cidr)
  own('vpc-ipv6-cidr-blocks', vpc?.ipv6Cidr)
}

function groupNames(world: World, eni: NetworkInterface): string {
  return eni.groupIds.map((groupId) => world.groups.get(groupId)?.name ?? groupId).join('\n')
}

function identityDocument(instance: Instance, primary: NetworkInterface | undefined): string {
  const document = {
    accountId: ACCOUNT_ID,
    architecture: instanceType(instance.instanceType).architecture,
    availabilityZone: instance.zone,
    billingProducts: null,
    devpayProductCodes: null,
    marketplaceProductCodes: null,
    imageId: IMAGE_ID,
    instanceId: instance.instanceId,
    instanceType: instance.instanceType,
    kernelId: null,
    pendingTime: instance.launchedAt.toISOString().replace(/\.\d+Z$/, 'Z'),
    privateIp: primary?.ipv4[0] ?? null,
    ramdiskId: null,
    region: REGION,
    version: '2017-09-30',
  }
  return JSON.stringify(document, null, 2)
}
