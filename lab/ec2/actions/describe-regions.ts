// DescribeRegions: the one region there is.

import type * as ec2 from '@aws-sdk/client-ec2'
import { Refusal } from '../../model/refusal.ts'
import { REGION } from '../../model/world.ts'
import { FILTERS, type ReadAction } from '../action.ts'
import { type Listing, list } from '../listing.ts'

const LISTING: Listing<ec2.Region> = {
  key: (region) => region.RegionName ?? '',
  filters: {
    endpoint: (region) => region.Endpoint,
    'opt-in-status': (region) => region.OptInStatus,
    'region-name': (region) => region.RegionName,
  },
}

export const describeRegions: ReadAction<ec2.DescribeRegionsRequest, ec2.DescribeRegionsResult> = {
  name: 'DescribeRegions',
  honours: ['RegionNames', 'AllRegions', ...FILTERS],
  read(_world, input) {
    const unknown = input.RegionNames?.find((name) => name !== REGION)
    if (unknown !== undefined) {
      throw new Refusal('InvalidParameterValue', `Invalid region provided: ${unknown}`)
    }
    const region: ec2.Region = {
      RegionName: REGION,
      Endpoint: `ec2.${REGION}.amazonaws.com`,
      OptInStatus: 'opt-in-not-required',
    }
    return { Regions: list([region], input, LISTING).rows }
  },
}
