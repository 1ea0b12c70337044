// DescribeInstanceTypeOfferings: every type that the lab knows is offered everywhere.

import type * as ec2 from '@aws-sdk/client-ec2'
import { INSTANCE_TYPES } from '../../model/instance-type.ts'
import { badValue } from '../../model/refusal.ts'
import { REGION, ZONES } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'

const LISTING: Listing<ec2.InstanceTypeOffering> = {
  key: (offering) => `${offering.InstanceType} ${offering.Location}`,
  pages: PAGES_OF_1000,
  filters: {
    'instance-type': (offering) => offering.InstanceType,
    location: (offering) => offering.Location,
  },
}

/** The places of each type of location; no Outpost is in the lab. */
const LOCATIONS: Readonly<Record<string, readonly string[]>> = {
  region: [REGION],
  'availability-zone': ZONES.map((zone) => zone.name),
  'availability-zone-id': ZONES.map((zone) => zone.zoneId),
  outpost: [],
}

export const describeInstanceTypeOfferings: ReadAction<
  ec2.DescribeInstanceTypeOfferingsRequest,
  ec2.DescribeInstanceTypeOfferingsResult
> = {
  name: 'DescribeInstanceTypeOfferings',
  honours: ['LocationType', ...FILTERS, ...PAGES],
  read(_world, input) {
    const { LocationType = 'region' } = input
    const places = Object.hasOwn(LOCATIONS, LocationType) ? LOCATIONS[LocationType] : undefined
    if (places === undefined) {
      throw badValue('locationType', LocationType, `Allowed: ${Object.keys(LOCATIONS).join(', ')}.`)
    }
    const shapes = [...INSTANCE_TYPES.keys()].flatMap((name) =>
      places.map((Location) => ({
        // A string in every answer; the SDK's type lists AWS's own names only.
        InstanceType: name as ec2._InstanceType,
        LocationType,
        Location,
      })),
    )
    const { rows, ...next } = list(shapes, input, LISTING)
    return { InstanceTypeOfferings: rows, ...next }
  },
}
