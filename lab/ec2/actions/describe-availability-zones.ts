// DescribeAvailabilityZones: the two zones there are.

import type * as ec2 from '@aws-sdk/client-ec2'
import { Refusal } from '../../model/refusal.ts'
import { REGION, ZONES } from '../../model/world.ts'
import { FILTERS, type ReadAction } from '../action.ts'
import { type Listing, list, nothing } from '../listing.ts'

const LISTING: Listing<ec2.AvailabilityZone> = {
  key: (zone) => zone.ZoneName ?? '',
  filters: {
    ...nothing('message', 'parent-zone-id', 'parent-zone-name'),
    'group-long-name': (zone) => zone.GroupLongName,
    'group-name': (zone) => zone.GroupName,
    'opt-in-status': (zone) => zone.OptInStatus,
    'region-name': (zone) => zone.RegionName,
    state: (zone) => zone.State,
    'zone-id': (zone) => zone.ZoneId,
    'zone-name': (zone) => zone.ZoneName,
    'zone-type': (zone) => zone.ZoneType,
  },
}

export const describeAvailabilityZones: ReadAction<
  ec2.DescribeAvailabilityZonesRequest,
  ec2.DescribeAvailabilityZonesResult
> = {
  name: 'DescribeAvailabilityZones',
  honours: ['ZoneNames', 'ZoneIds', 'AllAvailabilityZones', ...FILTERS],
  read(_world, input) {
    const { ZoneNames: names, ZoneIds: ids } = input
    refuseUnknown(
      names,
      ZONES.map((zone) => zone.name),
    )
    refuseUnknown(
      ids,
      ZONES.map((zone) => zone.zoneId),
    )
    const zones = ZONES.filter(
      (zone) => (names?.includes(zone.name) ?? true) && (ids?.includes(zone.zoneId) ?? true),
    ).map((zone) => ({
      ZoneName: zone.name,
      ZoneId: zone.zoneId,
      RegionName: REGION,
      GroupName: `${REGION}-zg-1`,
      GroupLongName: 'US West (Oregon) 1',
      NetworkBorderGroup: REGION,
      OptInStatus: 'opt-in-not-required' as const,
      State: 'available' as const,
      ZoneType: 'availability-zone',
      Messages: [],
    }))
    return { AvailabilityZones: list(zones, input, LISTING).rows }
  },
}

function refuseUnknown(given: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = given?.find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new Refusal('InvalidParameterValue', `Invalid availability zone: [${unknown}]`)
}
