// DescribeInstanceStatus: whether instances came up. Both checks are one in the lab: a machine whose
// processes and namespace are there is ok. Running ones alone, unless all are asked for.

import type * as ec2 from '@aws-sdk/client-ec2'
import { isShown } from '../../model/host.ts'
import { findEach } from '../../model/look-up.ts'
import type { Instance } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, nothing, PAGES_OF_1000 } from '../listing.ts'
import { stateShape } from '../shapes/instance.ts'
import { zoneIdOf } from '../shapes/network-interface.ts'

const LISTING: Listing<ec2.InstanceStatus> = {
  key: (status) => status.InstanceId ?? '',
  pages: PAGES_OF_1000,
  filters: {
    ...nothing(
      'event.code',
      'event.description',
      'event.instance-event-id',
      'event.not-after',
      'event.not-before',
      'event.not-before-deadline',
    ),
    'availability-zone': (status) => status.AvailabilityZone,
    'availability-zone-id': (status) => status.AvailabilityZoneId,
    'instance-state-code': (status) => status.InstanceState?.Code,
    'instance-state-name': (status) => status.InstanceState?.Name,
    'instance-status.reachability': (status) =>
      status.InstanceStatus?.Details?.map((each) => each.Status),
    'instance-status.status': (status) => status.InstanceStatus?.Status,
    'operator.managed': (status) => status.Operator?.Managed,
    'operator.principal': (status) => status.Operator?.Principal,
    'system-status.reachability': (status) =>
      status.SystemStatus?.Details?.map((each) => each.Status),
    'system-status.status': (status) => status.SystemStatus?.Status,
  },
  unsaid: ['application-status.status', 'attached-ebs-status.status'],
}

export const describeInstanceStatus: ReadAction<
  ec2.DescribeInstanceStatusRequest,
  ec2.DescribeInstanceStatusResult
> = {
  name: 'DescribeInstanceStatus',
  honours: ['InstanceIds', 'IncludeAllInstances', 'IncludeManagedResources', ...FILTERS, ...PAGES],
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
    ...zoneIdOf(instance.zone),
    Events: [],
    InstanceState: stateShape(instance),
    InstanceStatus: status,
    SystemStatus: status,
    Operator: { Managed: false },
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
