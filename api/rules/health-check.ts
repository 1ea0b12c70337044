// Rules about health checks; the ranges are those of ECS's HealthCheck, in seconds.

import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkRange, containersOf } from './rule.ts'

export const healthChecks: Rule = (definition) => {
  for (const { container, path: owner } of containersOf(definition)) {
    const { healthCheck } = container
    if (healthCheck === undefined) continue
    const path = `${owner}.healthCheck`
    const [how, ...rest] = healthCheck.command ?? []
    if ((how !== 'CMD' && how !== 'CMD-SHELL') || rest.length === 0 || rest[0] === '') {
      throw clientError(
        `${path}.command`,
        `${shown(how)}: a health check is ["CMD", program, …] or ["CMD-SHELL", command line]`,
      )
    }
    checkRange(`${path}.interval`, healthCheck.interval, [5, 300], ' seconds')
    checkRange(`${path}.timeout`, healthCheck.timeout, [2, 60], ' seconds')
    checkRange(`${path}.retries`, healthCheck.retries, [1, 10])
    checkRange(`${path}.startPeriod`, healthCheck.startPeriod, [0, 300], ' seconds')
  }
}
