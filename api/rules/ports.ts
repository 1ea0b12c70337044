// Rules about ports. All containers of a task share one network namespace: a port is a port, there
// is nothing to map it to, and only one container can have it.

import { ENDPOINT } from '../../state/task-endpoint.ts'
import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkForm, checkRange, checkUnique, containersOf } from './rule.ts'

export const ports: Rule = (definition) => {
  for (const { path, mapping } of mappingsOf(definition)) {
    const { containerPort, hostPort, protocol = 'tcp', name } = mapping
    if (containerPort === undefined) throw clientError(`${path}.containerPort`, 'is required')
    checkRange(`${path}.containerPort`, containerPort, [1, 65_535])
    if (hostPort !== undefined && hostPort !== containerPort) {
      throw clientError(
        `${path}.hostPort`,
        `When networkMode=awsvpc, the host ports and container ports in port mappings must match: ` +
          `hostPort ${hostPort}, containerPort ${containerPort}`,
        'Leave hostPort out',
      )
    }
    if (!['tcp', 'udp'].includes(protocol)) {
      throw clientError(`${path}.protocol`, `${shown(protocol)}: a protocol is "tcp" or "udp"`)
    }
    if (containerPort === ENDPOINT.ownPort) {
      const rule = `${ENDPOINT.ownPort} is taken by the task metadata endpoint in every task`
      throw clientError(`${path}.containerPort`, rule, 'Choose another port')
    }
    const form = 'lower-case letters, digits, hyphens, underscores; at most 64, no hyphen first'
    checkForm(`${path}.name`, name, /^[a-z0-9_][a-z0-9_-]{0,63}$/, form)
  }
}

/** ECS lets this through, and the second container fails to bind at run time. */
export const onePortEach: Rule = (definition) => {
  const all = mappingsOf(definition).map(({ path, mapping }) => ({
    path: `${path}.containerPort`,
    value: `${mapping.containerPort}/${mapping.protocol ?? 'tcp'}`,
  }))
  checkUnique(all, 'the containers of a task share one network namespace, so ports')
  const named = mappingsOf(definition).flatMap(({ path, mapping: { name } }) =>
    name === undefined || name === '' ? [] : [{ path: `${path}.name`, value: name }],
  )
  checkUnique(named, 'names of port mappings')
}

const mappingsOf = (definition: Parameters<Rule>[0]) =>
  containersOf(definition).flatMap(({ container, path }) =>
    (container.portMappings ?? []).map((mapping, index) => ({
      mapping,
      path: `${path}.portMappings[${index}]`,
    })),
  )
