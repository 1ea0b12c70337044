// Rules about names and values that are handed on as they are: environment variables and labels.

import type { KeyValuePair } from '@aws-sdk/client-ecs'
import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkUnique, containersOf } from './rule.ts'

/** Labels that say whose a container is; nobody else may write them. */
const RESERVED_LABELS = ['enid:', 'com.amazonaws.ecs.']

/** The rule for one list of variables, in a definition or in an override. */
export function checkEnvironment(pairs: readonly KeyValuePair[], path: string): void {
  for (const [index, { name }] of pairs.entries()) {
    if (name !== undefined && /^[^=]+$/.test(name)) continue
    const rule = `${shown(name)}: the name of a variable is not empty and has no "="`
    throw clientError(`${path}[${index}].name`, rule)
  }
  const named = pairs.map(({ name = '' }, index) => ({
    path: `${path}[${index}].name`,
    value: name,
  }))
  checkUnique(named, 'names of variables')
}

export const environment: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    checkEnvironment(container.environment ?? [], `${path}.environment`)
  }
}

export const dockerLabels: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    for (const key of Object.keys(container.dockerLabels ?? {})) {
      const reserved = RESERVED_LABELS.find((start) => key.startsWith(start))
      if (key === '') throw clientError(`${path}.dockerLabels`, 'a label needs a name')
      if (reserved === undefined) continue
      const rule = `${shown(key)}: labels that begin with ${reserved} are the agent's own`
      throw clientError(`${path}.dockerLabels`, rule)
    }
  }
}
