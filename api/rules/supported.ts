// Every field has its line in api/fields/; one that is refused there must be empty, as skeletons and
// CDK send it. Nothing that is accepted is silently dropped.

import { clientError } from '../aws-error.ts'
import { CONTAINER_FIELDS } from '../fields/container.ts'
import type { Fields } from '../fields/field.ts'
import { TASK_FIELDS } from '../fields/task.ts'
import { isEmpty } from '../unsupported.ts'
import type { Rule } from './rule.ts'

/** The members of each structure of a task definition, by its path without indices. */
export const FIELDS: Readonly<Record<string, Fields>> = { ...TASK_FIELDS, ...CONTAINER_FIELDS }

/** Every member that is refused must be empty. */
export const supported: Rule = (definition) => check(definition, '', '')

function check(value: object, place: string, path: string): void {
  for (const [name, member] of Object.entries(value)) {
    const field = FIELDS[place]?.[name]
    const at = path === '' ? name : `${path}.${name}`
    const within = place === '' ? name : `${place}.${name}`
    if (isEmpty(member)) continue
    if (field === undefined || field.is === 'refused') {
      const rule = 'is not supported by this version of enid'
      throw clientError(at, rule, field?.instead ?? 'Leave it out')
    }
    if (FIELDS[within] === undefined) continue
    if (!Array.isArray(member)) check(member as object, within, at)
    else for (const [index, item] of member.entries()) check(item, within, `${at}[${index}]`)
  }
}
