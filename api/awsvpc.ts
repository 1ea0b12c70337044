// networkConfiguration.awsvpcConfiguration, read and checked.

import type { NetworkConfiguration } from '@aws-sdk/client-ecs'
import { invalid, shown } from './aws-error.ts'

/** ECS's limits (AwsVpcConfiguration, API reference). */
const SUBNET_COUNT_MAX = 16
const GROUP_COUNT_MAX = 5
/** EC2's own: five, unless the account has a higher quota, which is at most this. */
const QUOTA_MAX = 16

/** Where the configuration lies in a request of the ECS face. */
export const AWSVPC = 'networkConfiguration.awsvpcConfiguration'

/** What a task's ENI is to be. Empty groups: the VPC's default group. */
export type Network = {
  readonly subnetIds: readonly string[]
  readonly securityGroupIds: readonly string[]
  /** Whether it is to have a public address of its own. */
  readonly assignPublicIp?: true
}

/** Throws AwsError for what EC2 would not take, and for what ECS on EC2 does not. */
export function readNetwork(configuration: NetworkConfiguration | undefined): Network {
  const vpc = configuration?.awsvpcConfiguration
  if (vpc === undefined) {
    throw invalid(
      'networkConfiguration',
      "Network Configuration must be provided when networkMode 'awsvpc' is specified",
      `Add ${AWSVPC} with subnets and securityGroups`,
    )
  }
  const { subnets = [], securityGroups = [], assignPublicIp = 'DISABLED' } = vpc
  if (subnets.length < 1 || subnets.length > SUBNET_COUNT_MAX) {
    throw invalid(
      `${AWSVPC}.subnets`,
      `${subnets.length} subnets; 1 to ${SUBNET_COUNT_MAX} are allowed`,
    )
  }
  if (securityGroups.length > GROUP_COUNT_MAX) {
    throw invalid(
      `${AWSVPC}.securityGroups`,
      `${securityGroups.length} security groups; at most ${GROUP_COUNT_MAX} are allowed`,
    )
  }
  checkIds(subnets, 'subnet', `${AWSVPC}.subnets`)
  checkIds(securityGroups, 'sg', `${AWSVPC}.securityGroups`)
  if (!['ENABLED', 'DISABLED'].includes(assignPublicIp)) {
    const rule = `${shown(assignPublicIp)}: ENABLED or DISABLED is allowed`
    throw invalid(`${AWSVPC}.assignPublicIp`, rule)
  }
  return {
    subnetIds: subnets,
    securityGroupIds: securityGroups,
    ...(assignPublicIp === 'ENABLED' && { assignPublicIp: true }),
  }
}

/** The groups that a running task is to wear. Whether they are there, and how many may be, EC2 says. */
export function readGroups(ids: readonly string[], field: string): readonly string[] {
  if (ids.length < 1 || ids.length > QUOTA_MAX) {
    throw invalid(field, `${ids.length} security groups; 1 to ${QUOTA_MAX} are allowed`)
  }
  checkIds(ids, 'sg', field)
  return ids
}

/** Throws at the first that has not the form of such an id, or stands twice. */
export function checkIds(ids: readonly string[], prefix: string, path: string): void {
  for (const [index, id] of ids.entries()) {
    const at = `${path}[${index}]`
    if (!new RegExp(`^${prefix}-[0-9a-f]{8,17}$`).test(id)) {
      throw invalid(at, `${shown(id)} is not an id: ${prefix}- and 8 or 17 hexadecimal digits`)
    }
    if (ids.indexOf(id) !== index) throw invalid(at, `${shown(id)} stands twice`)
  }
}
