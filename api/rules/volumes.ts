// Rules about volumes and where containers mount them.

import { clientError, shown } from '../aws-error.ts'
import { checkEfs } from './efs.ts'
import type { Rule } from './rule.ts'
import { checkForm, checkUnique, containersOf } from './rule.ts'

/** ECS's form of a name; it is a part of Docker's, which begins with a letter or digit. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$/

/** Docker writes source, path and mode in one text with colons between them. */
const PLACE = /^\/[^:\0]*$/

const RESERVED_LABEL = 'enid:'

export const volumes: Rule = ({ volumes: all = [] }) => {
  for (const [index, { name, host, dockerVolumeConfiguration: docker }] of all.entries()) {
    const path = `volumes[${index}]`
    if (name === undefined || !NAME.test(name)) {
      const rule = 'a name is 1 to 255 letters, digits, hyphens and underscores'
      throw clientError(`${path}.name`, `${shown(name)}: ${rule}`)
    }
    const form = 'an absolute path of the host, without colons'
    checkForm(`${path}.host.sourcePath`, host?.sourcePath, PLACE, form)
    checkEfs(`${path}.efsVolumeConfiguration`, all[index] ?? {})
    if (docker === undefined) continue
    const at = `${path}.dockerVolumeConfiguration`
    if (host?.sourcePath) throw clientError(at, 'a volume is of the host or of Docker, not both')
    const { scope, autoprovision, labels = {} } = docker
    if (scope !== undefined && !['task', 'shared'].includes(scope)) {
      throw clientError(`${at}.scope`, `${shown(scope)}: task or shared is allowed`)
    }
    if (autoprovision !== undefined && scope !== 'shared') {
      const rule = 'only a shared volume may be there or not; one of the task is always made'
      throw clientError(`${at}.autoprovision`, rule, 'Leave it out, or set scope to shared')
    }
    const reserved = Object.keys(labels).find((key) => key.startsWith(RESERVED_LABEL))
    if (reserved === undefined) continue
    const rule = `${shown(reserved)}: labels that begin with ${RESERVED_LABEL} are the agent's own`
    throw clientError(`${at}.labels`, rule)
  }
  checkUnique(
    all.map(({ name = '' }, index) => ({ path: `volumes[${index}].name`, value: name })),
    'names of volumes',
  )
}

export const mountPoints: Rule = (definition) => {
  const names = (definition.volumes ?? []).map(({ name }) => name)
  for (const { container, path } of containersOf(definition)) {
    const points = container.mountPoints ?? []
    for (const [index, { sourceVolume, containerPath }] of points.entries()) {
      const at = `${path}.mountPoints[${index}]`
      if (sourceVolume === undefined || !names.includes(sourceVolume)) {
        const known = names.length === 0 ? 'it has none' : names.join(', ')
        const rule = `${shown(sourceVolume)} is no volume of this definition: ${known}`
        throw clientError(`${at}.sourceVolume`, rule)
      }
      if (!containerPath) throw clientError(`${at}.containerPath`, 'is required')
      checkForm(`${at}.containerPath`, containerPath, PLACE, 'an absolute path, without colons')
    }
    checkUnique(
      points.map(({ containerPath = '' }, index) => ({
        path: `${path}.mountPoints[${index}].containerPath`,
        value: containerPath,
      })),
      'places of mounts',
    )
  }
}

export const volumesFrom: Rule = (definition) => {
  const names = containersOf(definition).map(({ container }) => container.name)
  for (const { container, path } of containersOf(definition)) {
    for (const [index, { sourceContainer }] of (container.volumesFrom ?? []).entries()) {
      const at = `${path}.volumesFrom[${index}].sourceContainer`
      if (sourceContainer === container.name) {
        throw clientError(at, `${shown(sourceContainer)} cannot mount from itself`)
      }
      if (sourceContainer !== undefined && names.includes(sourceContainer)) continue
      const rule = `${shown(sourceContainer)} is no container of this task: ${names.join(', ')}`
      throw clientError(at, rule)
    }
  }
}
