// DescribeInstanceStatus: whether instances came up. Both checks are one in the lab: a machine whose
// processes and namespace are there is ok. Running ones alone, unless all are asked for.

import type * as ec2 from '@aws-sdk/client-ec2'
import { isShown } from '../../model/host.ts'
import { findEach } from '../../model/look-up.ts'
import type { Instance } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { stateShape } from '../shapes/instance.ts'

const LISTING: Listing<ec2.InstanceStatus> = {
  key: (row) => row.InstanceId ?? '',
  pages: PAGES_OF_1000,
  filters: {
    'availability-zone': (row) => row.AvailabilityZone,
    'instance-state-code': (row) => row.InstanceState?.Code,
    'instance-state-name': (row) => row.InstanceState?.Name,
    'instance-status.reachability': (row) => row.InstanceStatus?.Details?.map((d) => d.Status),
    'instance-status.status': (row) => row.InstanceStatus?.Status,
    'system-status.reachability': (row) => row.SystemStatus?.Details?.map((d) => d.Status),
    'system-status.status': (row) => row.SystemStatus?.Status,
  },
}

export const describeInstanceStatus: ReadAction<
  ec2.DescribeInstanceStatusRequest,
  ec2.DescribeInstanceStatusResult
> = {
  name: 'DescribeInstanceStatus',
  honours: ['InstanceIds', 'IncludeAllInstances', ...FILTERS, ...PAGES],
  read(world, input, { now }) {
    const { InstanceIds: ids, IncludeAllInstances: all = false } = input
    const found =
      ids === undefined ? [...world.instances.values()] : findEach('instance', world.instances, ids)
    const asked = found.filter((each) => isShown(each, now) && (all || each.state === 'running'))
    const { rows, ...next } = list(asked.map(shape), input, LISTING, ids !== undefined)
    return { InstanceStatuses: rows, ...next }
  },
}

function shape(instance: Instance): ec2.InstanceStatus {
  const status = summary(instance)
  return {
    InstanceId: instance.instanceId,
    AvailabilityZone: instance.zone,
    Events: [],
    InstanceState: stateShape(instance),
    InstanceStatus: status,
    SystemStatus: status,
  }
}

function summary({ state }: Instance): ec2.InstanceStatusSummary {
  if (state === 'running') return checked('ok', 'passed')
  return state === 'pending'
    ? checked('initializing', 'initializing')
    : { Status: 'not-applicable' }
}

const checked = (Status: ec2.SummaryStatus, detail: ec2.StatusType): ec2.InstanceStatusSummary => ({
  Status,
  Details: [{ Name: 'reachability', Status: detail }],
})
