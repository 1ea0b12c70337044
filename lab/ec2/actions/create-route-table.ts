// CreateRouteTable: the VPC's blocks are local in it, and no subnet has it yet.

import type { CreateRouteTableRequest, CreateRouteTableResult } from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { QUOTA } from '../../model/quota.ts'
import { Refusal } from '../../model/refusal.ts'
import { newTable, withTable } from '../../model/route-table.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { RouteTable } from '../../model/way-out.ts'
import type { World } from '../../model/world.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { once } from '../once.ts'
import { routeTableShape } from '../shapes/route-table.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateRouteTableRequest

export const createRouteTable: ChangeAction<Input, CreateRouteTableResult> = {
  name: 'CreateRouteTable',
  honours: ['VpcId', 'ClientToken', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const { world: next, made } = once('CreateRouteTable', world, input, call, {
      make: () => create(world, input, call),
      again: (was) =>
        'routeTableId' in was ? (world.routeTables.get(was.routeTableId) ?? was) : undefined,
    })
    const { ClientToken: token } = input
    const RouteTable = routeTableShape(next, made)
    return { world: next, output: { RouteTable, ...(token ? { ClientToken: token } : {}) } }
  },
}

function create(world: World, input: Input, call: Call): { world: World; made: RouteTable } {
  const { vpcId } = findVpc(world, input.VpcId ?? '')
  const siblings = [...world.routeTables.values()].filter((table) => table.vpcId === vpcId)
  if (siblings.length >= QUOTA.routeTablesPerVpc) {
    throw new Refusal(
      'RouteTableLimitExceeded',
      `The maximum number of route tables (${QUOTA.routeTablesPerVpc}) has been reached.`,
    )
  }
  const made = newTable(vpcId, call.random)
  const tags = specifiedTags(input.TagSpecifications, 'route-table')
  return { world: withTags(withTable(world, made), made.routeTableId, tags), made }
}
