// What CreateService and UpdateService say of a service, read and checked. Pure.

import type {
  CreateServiceRequest,
  DeploymentCircuitBreaker,
  DeploymentConfiguration,
  UpdateServiceRequest,
} from '@aws-sdk/client-ecs'
import type { Breaker, Service } from '../state/service.ts'
import { invalid, shown } from './aws-error.ts'
import { oneOf } from './choices.ts'
import { refuseOthers } from './unsupported.ts'

/** ECS's quota of tasks for a service. */
const DESIRED_MAX = 5000
/** More than ten times the desired count at once is a slip (judgement). */
const PERCENT_MAX = 1000

/** The nearest thing that works, by member. */
export const SERVICE_INSTEAD: Readonly<Record<string, string>> = {
  availabilityZoneRebalancing: 'This host is in one zone; write DISABLED, or leave it out',
  capacityProviderStrategy: 'This host is the only capacity; leave it out',
  enableExecuteCommand: 'Leave it out: enid exec needs no preparation',
  gatewayConnectors: 'Leave it out: there is no traffic that enid directs',
  healthCheckGracePeriodSeconds: 'It is for load balancers; startPeriod of healthCheck does this',
  loadBalancers: 'There is no load balancer here: each task has an address of its own',
  monitoring: 'Leave it out; GET /metrics has numbers',
  placementConstraints: 'This host is the only one; leave it out',
  placementStrategy: 'This host is the only one; leave it out',
  platformVersion: 'It is for Fargate; leave it out',
  role: 'It is for load balancers; leave it out',
  serviceConnectConfiguration: 'Leave it out; tasks reach each other by their addresses',
  serviceRegistries: 'There is no service discovery here; DescribeTasks has the addresses',
  volumeConfigurations: 'Use a host or Docker volume in the task definition',
  vpcLatticeConfigurations: 'There is no load balancer here: each task has an address of its own',
}

/** How many tasks, and how many at once. */
export type Limits = Pick<
  Service,
  'strategy' | 'desiredCount' | 'minimumHealthyPercent' | 'maximumPercent'
> & { readonly breaker?: Breaker }

/** What CreateService says. Throws AwsError. */
export function createLimits(input: CreateServiceRequest): Limits {
  const strategy = oneOf('schedulingStrategy', input.schedulingStrategy, {
    of: ['REPLICA', 'DAEMON'] as const,
    otherwise: 'REPLICA',
  })
  const isDaemon = strategy === 'DAEMON'
  if (!isDaemon && input.desiredCount === undefined) {
    throw invalid('desiredCount', 'is required with schedulingStrategy REPLICA')
  }
  const defaults = isDaemon
    ? { minimumHealthyPercent: 0, maximumPercent: 100 }
    : { minimumHealthyPercent: 100, maximumPercent: 200 }
  return changed({ strategy, desiredCount: isDaemon ? 1 : 0, ...defaults }, input)
}

/** What UpdateService changes of them; the rest stays. Throws AwsError. */
export function changed(
  before: Limits,
  input: Pick<UpdateServiceRequest, 'desiredCount' | 'deploymentConfiguration'>,
): Limits {
  const { desiredCount = before.desiredCount, deploymentConfiguration: given } = input
  const isDaemon = before.strategy === 'DAEMON'
  if (isDaemon && input.desiredCount !== undefined) {
    const rule = 'The daemon scheduling strategy does not support a desired count'
    throw invalid('desiredCount', rule, 'Leave it out: there is one task on each host')
  }
  checkBetween('desiredCount', desiredCount, 0, DESIRED_MAX)
  const { minimumHealthyPercent = before.minimumHealthyPercent } = given ?? {}
  const { maximumPercent = before.maximumPercent } = given ?? {}
  const at = 'deploymentConfiguration'
  checkBetween(`${at}.minimumHealthyPercent`, minimumHealthyPercent, 0, 100)
  checkBetween(`${at}.maximumPercent`, maximumPercent, 100, isDaemon ? 100 : PERCENT_MAX)
  if (minimumHealthyPercent === 100 && maximumPercent === 100) {
    const rule =
      'Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments'
    throw invalid(at, rule, 'Lower the one, or raise the other')
  }
  checkRolling(given)
  const breaker = given?.deploymentCircuitBreaker
    ? readBreaker(given.deploymentCircuitBreaker)
    : before.breaker
  const { strategy } = before
  return {
    ...{ strategy, desiredCount, minimumHealthyPercent, maximumPercent },
    ...(breaker === undefined ? {} : { breaker }),
  }
}

/** Throws for any way of deployment but ECS's rolling update. */
function checkRolling(given: DeploymentConfiguration | undefined): void {
  if (given === undefined) return
  const path = 'deploymentConfiguration'
  const taken = ['deploymentCircuitBreaker', 'maximumPercent', 'minimumHealthyPercent', 'strategy']
  refuseOthers(given, {
    ...{ path, taken: [...taken, 'bakeTimeInMinutes'] },
    instead: {
      alarms: 'There is no CloudWatch here; deploymentCircuitBreaker watches the tasks',
      lifecycleHooks: 'Leave it out: nothing calls a function here',
    },
  })
  if (given.strategy !== undefined && given.strategy !== 'ROLLING') {
    const rule = `${shown(given.strategy)}: only ROLLING is here, as there is no traffic to shift`
    throw invalid(`${path}.strategy`, rule)
  }
  if ((given.bakeTimeInMinutes ?? 0) !== 0) {
    throw invalid(`${path}.bakeTimeInMinutes`, 'is for BLUE_GREEN', 'Leave it out')
  }
}

function readBreaker(given: DeploymentCircuitBreaker): Breaker | undefined {
  const { enable, rollback = false, resetOnHealthyTask = true, thresholdConfiguration } = given
  if (enable !== true) return undefined
  const { type: asked, value = 50 } = thresholdConfiguration ?? {}
  const path = 'deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration'
  const types = ['BOUNDED_PERCENT', 'UNBOUNDED_PERCENT', 'COUNT'] as const
  const type = oneOf(`${path}.type`, asked, { of: types, otherwise: 'BOUNDED_PERCENT' })
  checkBetween(`${path}.value`, value, 1, DESIRED_MAX)
  return { rollback, resets: resetOnHealthyTask, threshold: { type, value } }
}

function checkBetween(field: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw invalid(field, `${value} is outside ${min} to ${max}`)
}

/** Throws for what CreateService and UpdateService refuse alike. */
export function checkCommon(
  input: Pick<
    CreateServiceRequest,
    'availabilityZoneRebalancing' | 'deploymentController' | 'healthCheckGracePeriodSeconds'
  >,
): void {
  const { availabilityZoneRebalancing = 'DISABLED', deploymentController } = input
  if (availabilityZoneRebalancing !== 'DISABLED') {
    const is = shown(availabilityZoneRebalancing)
    const hint = SERVICE_INSTEAD.availabilityZoneRebalancing
    throw invalid('availabilityZoneRebalancing', `${is}: only DISABLED is allowed`, hint)
  }
  if (deploymentController !== undefined && deploymentController.type !== 'ECS') {
    const rule = `${shown(deploymentController.type)}: only ECS, the rolling update, is here`
    throw invalid('deploymentController.type', rule, 'Write ECS, or leave it out')
  }
  if ((input.healthCheckGracePeriodSeconds ?? 0) !== 0) {
    const hint = SERVICE_INSTEAD.healthCheckGracePeriodSeconds
    throw invalid('healthCheckGracePeriodSeconds', 'is not supported by this version of enid', hint)
  }
}
