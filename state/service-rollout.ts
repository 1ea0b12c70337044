// How a deployment ends: completed, or given up by the circuit breaker, which may bring back the last
// good one; and how a deleted service does. Pure.

import type { Breaker, Deployment, Learned, Service } from './service.ts'
import { desiredOf } from './service.ts'

/** How many failures in a row end a deployment. */
export function failuresAllowed({ threshold: { type, value } }: Breaker, desired: number): number {
  if (type === 'COUNT') return value
  const count = Math.ceil((desired * value) / 100)
  // The bounds are ECS's (ThresholdType).
  return type === 'BOUNDED_PERCENT' ? Math.min(200, Math.max(3, count)) : Math.max(1, count)
}

/** What follows for its rollout, and for itself. */
export function conclude(learned: Learned, now: number): Learned {
  const { service } = learned
  const says = [...learned.says]
  if (service.status !== 'ACTIVE') {
    const isLeft = service.deployments.some(({ tasks }) => Object.keys(tasks).length > 0)
    const isOver = service.status === 'DRAINING' && !isLeft
    return { service: isOver ? { ...service, status: 'INACTIVE', endedAt: now } : service, says }
  }
  const tried = giveUp(service, now, says)
  const [primary, ...others] = tried.deployments
  const isThere = stands(primary, desiredOf(tried))
  const isSteady = isThere && others.every(({ tasks }) => Object.keys(tasks).length === 0)
  let first = primary
  if (isSteady && primary.rollout === 'IN_PROGRESS') {
    const rolloutReason = `ECS deployment ${primary.id} completed.`
    first = { ...primary, rollout: 'COMPLETED', rolloutReason, updatedAt: now }
    says.push(`(service ${tried.name}) (deployment ${primary.id}) deployment completed.`)
  }
  if (isSteady && !tried.isSteady) says.push(`(service ${tried.name}) has reached a steady state.`)
  const after = withDeployments(tried, [first, ...kept(first, others)])
  return { service: after.isSteady === isSteady ? after : { ...after, isSteady }, says }
}

const stands = ({ rollout, tasks }: Deployment, desired: number): boolean =>
  rollout !== 'FAILED' &&
  Object.keys(tasks).length === desired &&
  Object.values(tasks).every((is) => is === 'healthy')

/** Those with tasks; and, until the primary has completed, the one to go back to. */
function kept(primary: Deployment, others: readonly Deployment[]): Deployment[] {
  const back = primary.rollout === 'COMPLETED' ? undefined : completed(others)
  return others.filter((one) => one === back || Object.keys(one.tasks).length > 0)
}

const completed = (all: readonly Deployment[]): Deployment | undefined =>
  all.find(({ rollout }) => rollout === 'COMPLETED')

/** The circuit breaker: too many failures in a row end the rollout, and may bring back the last good one. */
function giveUp(service: Service, now: number, says: string[]): Service {
  const { breaker, name } = service
  const [primary, ...others] = service.deployments
  if (breaker === undefined || primary.rollout !== 'IN_PROGRESS') return service
  if (primary.failedTasks < failuresAllowed(breaker, desiredOf(service))) return service
  says.push(
    `(service ${name}) (deployment ${primary.id}) deployment failed: tasks failed to start.`,
  )
  const rolloutReason = 'ECS deployment circuit breaker: tasks failed to start.'
  const failed: Deployment = { ...primary, rollout: 'FAILED', rolloutReason, updatedAt: now }
  const back = breaker.rollback ? completed(others) : undefined
  if (back === undefined) return { ...service, deployments: [failed, ...others] }
  says.push(`(service ${name}) rolling back to deployment ${back.id}.`)
  const { lastFailure: _, ...rest } = back
  const first: Deployment = {
    ...rest,
    failedTasks: 0,
    rollout: 'IN_PROGRESS',
    rolloutReason: `ECS deployment circuit breaker: rolling back to deploymentId ${back.id}.`,
    updatedAt: now,
  }
  return { ...service, deployments: [first, failed, ...others.filter((one) => one !== back)] }
}

/** The same object where nothing changed, so that nothing is written for a look. */
export function withDeployments(
  service: Service,
  after: readonly [Deployment, ...Deployment[]],
): Service {
  const isSame =
    after.length === service.deployments.length &&
    after.every((deployment, n) => deployment === service.deployments[n])
  return isSame ? service : { ...service, deployments: after }
}
