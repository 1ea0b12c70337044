// Rules about the containers as a set, and about what each of them is: name, image, how it starts.

import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkForm, checkRange, checkUnique, containersOf } from './rule.ts'

/** ECS: a task has at most 10 containers. */
const CONTAINER_COUNT_MAX = 10

/** Seconds; a day is far beyond what a stop may take, and timers hold it. */
const STOP_TIMEOUT_RANGE = [1, 86_400] as const

/** ECS: at least 2 seconds; a day as above. */
const START_TIMEOUT_RANGE = [2, 86_400] as const

export const containerCount: Rule = ({ containerDefinitions: containers = [] }) => {
  if (containers.length === 0) throw clientError('containerDefinitions', 'Container list is empty')
  if (containers.length <= CONTAINER_COUNT_MAX) return
  const rule = `${containers.length} containers; at most ${CONTAINER_COUNT_MAX} are allowed`
  throw clientError('containerDefinitions', rule)
}

export const containerNames: Rule = (definition) => {
  const named = containersOf(definition).map(({ container, path }) => {
    const { name } = container
    if (!/^[A-Za-z0-9_-]{1,255}$/.test(name ?? '')) {
      const rule = 'a name is 1 to 255 letters, digits, hyphens and underscores'
      throw clientError(`${path}.name`, `${shown(name)}: ${rule}`)
    }
    return { path: `${path}.name`, value: name ?? '' }
  })
  checkUnique(named, 'container names')
}

/** ECS: up to 255 letters, digits, hyphens, underscores, colons, periods, slashes, # and @. */
export const images: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    if (/^[A-Za-z0-9][A-Za-z0-9_:./#@-]{0,254}$/.test(container.image ?? '')) continue
    throw clientError(
      `${path}.image`,
      `${shown(container.image)} is not an image: repository[:tag] or repository[@digest]`,
    )
  }
}

/** `essential` defaults to true, so only a definition that says false everywhere breaks this. */
export const essential: Rule = ({ containerDefinitions: containers = [] }) => {
  if (containers.some((container) => container.essential !== false)) return
  throw clientError(
    'containerDefinitions',
    'At least one container must be essential',
    'Leave essential out, or set it to true, on the container that the task is about',
  )
}

export const startedHow: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    const { workingDirectory, user, startTimeout, stopTimeout } = container
    const directory = 'the working directory must be an absolute path'
    checkForm(`${path}.workingDirectory`, workingDirectory, /^\//, directory)
    const people = 'a user is user, user:group, uid, uid:gid, uid:group or user:gid'
    checkForm(`${path}.user`, user, /^[\w.-]{1,64}(:[\w.-]{1,64})?$/, people)
    checkRange(`${path}.startTimeout`, startTimeout, START_TIMEOUT_RANGE, ' seconds')
    checkRange(`${path}.stopTimeout`, stopTimeout, STOP_TIMEOUT_RANGE, ' seconds')
  }
}
