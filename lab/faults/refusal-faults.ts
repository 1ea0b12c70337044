// Faults of room and of races: what EC2 refuses because of others, at calls that would have gone
// well. Codes and messages: EC2 API reference, "Error codes", and logs of real accounts.

import { Refusal } from '../model/refusal.ts'
import { refuse } from './answer-faults.ts'
import { foreignEni } from './foreign-eni.ts'
import { type CallKind, OF_ENI } from './kind.ts'

const CREATE = { action: 'CreateNetworkInterface' } as const
const ATTACH = { action: 'AttachNetworkInterface' } as const

/** The faults of this family. */
export const REFUSAL_FAULTS = {
  'subnet-full': {
    family: 'call',
    summary: 'CreateNetworkInterface: InsufficientFreeAddressesInSubnet (of --subnet)',
    options: [...OF_ENI, 'subnet'],
    defaults: CREATE,
    onCall: ({ plan }) =>
      refuse(
        plan,
        new Refusal(
          'InsufficientFreeAddressesInSubnet',
          `There are not enough free addresses in subnet '${plan.facts.subnetId}' to satisfy the ` +
            'requested number of instances.',
        ),
      ),
  },
  'subnet-fragmented': {
    family: 'call',
    summary: 'CreateNetworkInterface: InsufficientCidrBlocks, no prefix fits (of --subnet)',
    options: [...OF_ENI, 'subnet'],
    defaults: CREATE,
    onCall: ({ plan }) =>
      refuse(
        plan,
        new Refusal(
          'InsufficientCidrBlocks',
          'The specified subnet does not have enough free cidr blocks to satisfy the request.',
        ),
      ),
  },
  'subnet-full-for-prefixes': {
    family: 'call',
    summary: 'CreateNetworkInterface: InvalidParameterValue, no prefix is left (of --subnet)',
    options: [...OF_ENI, 'subnet'],
    defaults: CREATE,
    onCall: ({ plan }) =>
      refuse(
        plan,
        new Refusal(
          'InvalidParameterValue',
          "There aren't sufficient free Ipv4 addresses or prefixes",
        ),
      ),
  },
  'attachment-limit': {
    family: 'call',
    summary: 'AttachNetworkInterface: AttachmentLimitExceeded, as if the instance were full',
    options: OF_ENI,
    defaults: ATTACH,
    onCall: ({ plan }) =>
      refuse(
        plan,
        new Refusal(
          'AttachmentLimitExceeded',
          'Interface count exceeds the limit for the instance type',
        ),
      ),
  },
  'attach-in-use': {
    family: 'call',
    summary: "AttachNetworkInterface attaches and answers 'currently in use', as a retry would",
    options: OF_ENI,
    defaults: ATTACH,
    onCall({ plan }) {
      plan.refusalAfter ??= inUse(plan.facts.eniIds)
      return true
    },
  },
  'index-race': {
    family: 'call',
    summary: 'AttachNetworkInterface: a foreign ENI takes the device index just before',
    options: OF_ENI,
    defaults: ATTACH,
    onCall({ plan }) {
      const { deviceIndex } = plan.facts
      if (deviceIndex === undefined) return false
      plan.deedsBefore.push((world) => foreignEni(world, deviceIndex))
      return true
    },
  },
  'delete-in-use': {
    family: 'call',
    summary: "DeleteNetworkInterface: 'currently in use', as while it is still detaching",
    options: OF_ENI,
    defaults: { action: 'DeleteNetworkInterface' },
    onCall: ({ plan }) => refuse(plan, inUse(plan.facts.eniIds)),
  },
} as const satisfies Record<string, CallKind>

/** EC2's refusal of an ENI that is attached, or not yet detached. */
export const inUse = ([eniId = '']: readonly string[]): Refusal =>
  new Refusal('InvalidParameterValue', `Network interface '${eniId}' is currently in use.`)
