// DescribeInstances: the machine that the lab runs on, and its hosts; those that were terminated for
// an hour more, as EC2 has it. Instances of one RunInstances share a reservation.

import type * as ec2 from '@aws-sdk/client-ec2'
import { isShown } from '../../model/host.ts'
import { findEach } from '../../model/look-up.ts'
import { ACCOUNT_ID, type Instance, type World } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { instanceShape } from '../shapes/instance.ts'

type Row = { readonly reservationId: string; readonly instance: ec2.Instance }

const LISTING: Listing<Row> = {
  key: ({ instance }) => instance.InstanceId ?? '',
  tags: ({ instance }) => instance.Tags,
  pages: PAGES_OF_1000,
  filters: {
    architecture: ({ instance }) => instance.Architecture,
    'availability-zone': ({ instance }) => instance.Placement?.AvailabilityZone,
    'image-id': ({ instance }) => instance.ImageId,
    'instance-id': ({ instance }) => instance.InstanceId,
    'instance-state-code': ({ instance }) => instance.State?.Code,
    'instance-state-name': ({ instance }) => instance.State?.Name,
    'instance-type': ({ instance }) => instance.InstanceType,
    'instance.group-id': ({ instance }) => instance.SecurityGroups?.map((group) => group.GroupId),
    'instance.group-name': ({ instance }) =>
      instance.SecurityGroups?.map((group) => group.GroupName),
    'metadata-options.http-endpoint': ({ instance }) => instance.MetadataOptions?.HttpEndpoint,
    'metadata-options.http-put-response-hop-limit': ({ instance }) =>
      instance.MetadataOptions?.HttpPutResponseHopLimit,
    'metadata-options.http-tokens': ({ instance }) => instance.MetadataOptions?.HttpTokens,
    'network-interface.network-interface-id': ({ instance }) =>
      instance.NetworkInterfaces?.map((eni) => eni.NetworkInterfaceId),
    'network-interface.subnet-id': ({ instance }) =>
      instance.NetworkInterfaces?.map((eni) => eni.SubnetId),
    'owner-id': () => ACCOUNT_ID,
    'private-dns-name': ({ instance }) => instance.PrivateDnsName,
    'private-ip-address': ({ instance }) => instance.PrivateIpAddress,
    'reservation-id': ({ reservationId }) => reservationId,
    'subnet-id': ({ instance }) => instance.SubnetId,
    'vpc-id': ({ instance }) => instance.VpcId,
  },
}

export const describeInstances: ReadAction<
  ec2.DescribeInstancesRequest,
  ec2.DescribeInstancesResult
> = {
  name: 'DescribeInstances',
  honours: ['InstanceIds', ...FILTERS, ...PAGES],
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

const row = (world: World, instance: Instance): Row => ({
  reservationId: instance.reservationId,
  instance: instanceShape(world, instance),
})
