// Rows about route tables: what a subnet's table leads elsewhere within the VPC, what it leads nowhere,
// and the calls about routes, gateways and Elastic IPs that are refused. No case needs an Internet.

import type { Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const open = {
  groups: { client: { in: ['-1 any'] }, server: { in: ['-1 any'] }, other: { in: ['-1 any'] } },
}
const straight: Step = { see: { 'a>c udp 80': 'both', 'a>b udp 80': 'both' } }

/** The steps while a subnet has a route table of its own; then it has the main one again. */
const ownTable = (subnet: 'X' | 'Y', ...steps: Step[]): Step[] => [
  {
    call: 'CreateRouteTable',
    input: { VpcId: '$vpc' },
    keep: { table: 'RouteTable.RouteTableId' },
  },
  {
    call: 'AssociateRouteTable',
    input: { RouteTableId: '$table', SubnetId: `$subnet${subnet}` },
    keep: { association: 'AssociationId' },
  },
  ...steps,
  { call: 'DisassociateRouteTable', input: { AssociationId: '$association' } },
  { call: 'DeleteRouteTable', input: { RouteTableId: '$table' } },
]
const toY = { RouteTableId: '$table', DestinationCidrBlock: '{Y}' }
/** From X to all of Y by an ENI. */
const route = (eni: string): Step => ({
  call: 'CreateRoute',
  input: { ...toY, NetworkInterfaceId: `$${eni}` },
})
const noRoute: Step = { call: 'DeleteRoute', input: toY }

const packets = (id: string, why: string, ...steps: Step[]): Row => ({
  id,
  area: 'route tables',
  ip: 4,
  given: open,
  steps,
  why,
  doc: DOC.routeTables,
})
const refusal = (id: string, why: string, ...steps: Step[]): Row => ({
  id,
  area: 'refused routes',
  ip: 4,
  steps,
  why,
  doc: DOC.errors,
})

/** An Elastic IP as long as the steps go on. */
const withAddress = (...steps: Step[]): Step[] => [
  { call: 'AllocateAddress', input: {}, keep: { allocation: 'AllocationId' } },
  ...steps,
  { call: 'ReleaseAddress', input: { AllocationId: '$allocation' } },
]
const associate = (eni: string, more: object = {}) => ({
  call: 'AssociateAddress',
  input: { AllocationId: '$allocation', NetworkInterfaceId: `$${eni}`, ...more },
})

export const ROUTES: readonly Row[] = [
  packets(
    'route-local-alone',
    'Every route table has the local route: a new one changes nothing within the VPC.',
    ...ownTable('X', straight),
    straight,
  ),
  packets(
    'route-to-checked-eni',
    'An ENI with its source/destination check on takes only what is for itself.',
    ...ownTable('X', route('f'), {
      see: { 'a>c udp 80': 'none', 'a>b udp 80': 'both', 'a>h udp 80': 'both' },
    }),
    straight,
  ),
  packets(
    'route-is-of-its-subnet',
    'A table is asked by what its own subnet sends: what comes arrives, and the answer goes astray.',
    ...ownTable('X', route('f'), {
      see: { 'c>a udp 80': 'there', 'f>c udp 80': 'both', 'c>h udp 80': 'both' },
    }),
  ),
  packets(
    'route-in-force-on-return',
    'A route is in force when the call that makes it or takes it away returns.',
    ...ownTable(
      'X',
      straight,
      route('f'),
      { see: { 'a>c udp 80': 'none' } },
      noRoute,
      straight,
      route('h'),
      { see: { 'a>c udp 80': 'none' } },
      noRoute,
      straight,
    ),
  ),
  packets(
    'route-blackhole',
    'A route to an ENI that is attached to nothing is a blackhole: packets are dropped.',
    {
      call: 'CreateNetworkInterface',
      input: { SubnetId: '$subnetZ' },
      keep: { idle: 'NetworkInterface.NetworkInterfaceId' },
    },
    ...ownTable('X', route('idle'), {
      see: { 'a>c udp 80': 'none', 'a>c ping': 'none', 'a>b udp 80': 'both' },
    }),
    { call: 'DeleteNetworkInterface', input: { NetworkInterfaceId: '$idle' } },
    straight,
  ),
  packets(
    'route-association-moves',
    'A subnet without an association has the main table, in force when the call returns.',
    ...ownTable('Y', straight, {
      call: 'CreateRoute',
      input: {
        RouteTableId: '$table',
        DestinationCidrBlock: '{X}',
        NetworkInterfaceId: '$f',
      },
    }),
    { see: { 'c>a udp 80': 'both', 'a>c udp 80': 'both' } },
  ),
  refusal(
    'refused-route-twice',
    'A table has one route to a destination.',
    ...ownTable('X', route('f'), {
      refused: 'RouteAlreadyExists',
      call: 'CreateRoute',
      input: { ...toY, NetworkInterfaceId: '$h' },
    }),
  ),
  refusal(
    'refused-route-not-there',
    'A route that is not in the table cannot be deleted.',
    ...ownTable('X', { refused: 'InvalidRoute.NotFound', call: 'DeleteRoute', input: toY }),
  ),
  refusal(
    'refused-table-in-use',
    'A table that a subnet is associated with stays.',
    ...ownTable('X', {
      refused: 'DependencyViolation',
      call: 'DeleteRouteTable',
      input: { RouteTableId: '$table' },
    }),
  ),
  refusal(
    'refused-second-table',
    'A subnet has one table at a time.',
    {
      call: 'CreateRouteTable',
      input: { VpcId: '$vpc' },
      keep: { second: 'RouteTable.RouteTableId' },
    },
    ...ownTable('X', {
      refused: 'Resource.AlreadyAssociated',
      call: 'AssociateRouteTable',
      input: { RouteTableId: '$second', SubnetId: '$subnetX' },
    }),
    { call: 'DeleteRouteTable', input: { RouteTableId: '$second' } },
  ),
  refusal(
    'refused-route-to-no-gateway',
    'A route needs a target that is there.',
    ...ownTable('X', {
      refused: 'InvalidGatewayID.NotFound',
      call: 'CreateRoute',
      input: {
        RouteTableId: '$table',
        DestinationCidrBlock: '198.18.0.0/15',
        GatewayId: 'igw-00000000000000000',
      },
    }),
  ),
  refusal(
    'refused-address-twice',
    'An address moves to another ENI only where the call allows it.',
    ...withAddress(
      { ...associate('a'), keep: { association: 'AssociationId' } },
      {
        refused: 'Resource.AlreadyAssociated',
        ...associate('b', { AllowReassociation: false }),
      },
      { call: 'DisassociateAddress', input: { AssociationId: '$association' } },
    ),
  ),
  refusal(
    'refused-release-in-use',
    'An address that stands for an ENI’s is not released.',
    ...withAddress(
      { ...associate('a'), keep: { association: 'AssociationId' } },
      {
        refused: 'InvalidIPAddress.InUse',
        call: 'ReleaseAddress',
        input: { AllocationId: '$allocation' },
      },
      { call: 'DisassociateAddress', input: { AssociationId: '$association' } },
    ),
  ),
]
