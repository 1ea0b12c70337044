// ModifyPrivateDnsNameOptions: whether an instance's resource name resolves. Which kind of name the
// instance calls its own changes on a stopped one only, and the lab's never stop.

import type {
  ModifyPrivateDnsNameOptionsRequest,
  ModifyPrivateDnsNameOptionsResult,
} from '@aws-sdk/client-ec2'
import { nameOptionsOf } from '../../model/dns-name.ts'
import { findInstance } from '../../model/look-up.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const modifyPrivateDnsNameOptions: ChangeAction<
  ModifyPrivateDnsNameOptionsRequest,
  ModifyPrivateDnsNameOptionsResult
> = {
  name: 'ModifyPrivateDnsNameOptions',
  honours: [
    'InstanceId',
    'PrivateDnsHostnameType',
    'EnableResourceNameDnsARecord',
    'EnableResourceNameDnsAAAARecord',
  ],
  change(world, input) {
    const { InstanceId: id = '', PrivateDnsHostnameType: type } = input
    const instance = findInstance(world, id)
    const before = nameOptionsOf(instance)
    if (type !== undefined && type !== 'ip-name' && type !== 'resource-name') {
      throw badValue('PrivateDnsHostnameType', type, 'It must be ip-name or resource-name.')
    }
    if (type !== undefined && type !== before.hostnameType) {
      throw new Refusal(
        'IncorrectInstanceState',
        `The instance '${id}' must be in the state 'stopped' to change its hostname type.`,
      )
    }
    const nameOptions = {
      ...before,
      resourceNameA: input.EnableResourceNameDnsARecord ?? before.resourceNameA,
      resourceNameAaaa: input.EnableResourceNameDnsAAAARecord ?? before.resourceNameAaaa,
    }
    const changed = { ...instance, nameOptions }
    return {
      world: { ...world, instances: put(world.instances, id, changed) },
      output: { Return: true },
    }
  },
}
