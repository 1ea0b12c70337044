// Rules about restart policies; the ranges are those of ECS's ContainerRestartPolicy.

import { clientError } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkRange, containersOf } from './rule.ts'

/** ECS: at most 50 exit codes are ignored. */
const IGNORED_COUNT_MAX = 50

/** ECS: a container must run for so long before it is started again, seconds. */
const ATTEMPT_PERIOD_RANGE = [60, 1800] as const

export const restartPolicies: Rule = (definition) => {
  for (const { container, path: owner } of containersOf(definition)) {
    const { ignoredExitCodes = [], restartAttemptPeriod } = container.restartPolicy ?? {}
    const path = `${owner}.restartPolicy`
    if (ignoredExitCodes.length > IGNORED_COUNT_MAX) {
      const rule = `${ignoredExitCodes.length} exit codes; at most ${IGNORED_COUNT_MAX} are allowed`
      throw clientError(`${path}.ignoredExitCodes`, rule)
    }
    const period = `${path}.restartAttemptPeriod`
    checkRange(period, restartAttemptPeriod, ATTEMPT_PERIOD_RANGE, ' seconds')
  }
}
