// Rules about where a container's output goes. The drivers are those that ECS and Docker both have;
// what an option means is Docker's to say, at the start of the container.

import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { containersOf } from './rule.ts'

const DRIVERS = [
  ...['json-file', 'syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk'],
  // Through a container of the task: rules/firelens.ts.
  'awsfirelens',
]

export const logging: Rule = (definition) => {
  for (const { container, path: owner } of containersOf(definition)) {
    const { logConfiguration: log } = container
    if (log === undefined) continue
    const path = `${owner}.logConfiguration`
    if (log.logDriver === undefined || !DRIVERS.includes(log.logDriver)) {
      const rule = `${shown(log.logDriver)}: a log driver is ${DRIVERS.join(', ')}`
      throw clientError(`${path}.logDriver`, rule)
    }
    const options = log.options ?? {}
    if (log.logDriver !== 'awslogs') continue
    for (const name of ['awslogs-group', 'awslogs-region']) {
      if (options[name] === undefined) throw clientError(`${path}.options`, `${name} is required`)
    }
  }
}
