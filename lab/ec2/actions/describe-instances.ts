// DescribeInstances: the machine that the lab runs on, and its hosts; those that were terminated for
// an hour more, as EC2 has it. Instances of one RunInstances share a reservation.

import type * as ec2 from '@aws-sdk/client-ec2'
import { isShown } from '../../model/host.ts'
import { findEach } from '../../model/look-up.ts'
import { attachedTo } from '../../model/network-interface.ts'
import { ACCOUNT_ID, type Instance, type World } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { INSTANCE_FILTERS, INSTANCE_UNSAID, type InstanceRow } from '../instance-filters.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { instanceShape } from '../shapes/instance.ts'
import { networkInterfaceShape } from '../shapes/network-interface.ts'

const LISTING: Listing<InstanceRow> = {
  key: ({ instance }) => instance.InstanceId ?? '',
  tags: ({ instance }) => instance.Tags,
  pages: PAGES_OF_1000,
  filters: INSTANCE_FILTERS,
  unsaid: INSTANCE_UNSAID,
}

export const describeInstances: ReadAction<
  ec2.DescribeInstancesRequest,
  ec2.DescribeInstancesResult
> = {
  name: 'DescribeInstances',
  // Nothing here is managed by an operator: with or without those, the answer is the same.
  honours: ['InstanceIds', 'IncludeManagedResources', ...FILTERS, ...PAGES],
  read(world, input, { now }) {
    const { InstanceIds: ids } = input
    const shown = new Map([...world.instances].filter(([, each]) => isShown(each, now)))
    const found = ids === undefined ? [...shown.values()] : findEach('instance', shown, ids)
    const shapes = found.map((instance) => row(world, instance))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    const reservations = Map.groupBy(rows, ({ reservationId }) => reservationId)
    return {
      Reservations: [...reservations].map(([ReservationId, each]) => ({
        ReservationId,
        OwnerId: ACCOUNT_ID,
        Groups: [],
        Instances: each.map(({ instance }) => instance),
      })),
      ...next,
    }
  },
}

function row(world: World, instance: Instance): InstanceRow {
  const { reservationId, instanceId } = instance
  return {
    reservationId,
    instance: instanceShape(world, instance),
    enis: attachedTo(world, instanceId).map((eni) => networkInterfaceShape(world, eni)),
  }
}
