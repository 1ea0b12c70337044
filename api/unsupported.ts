// What enid does not do is refused by name, whatever ECS may add to its schemas later: an action
// lists what it takes, and everything else must be empty, as skeletons and CDK send it.

import type { AwsErrorCode } from './aws-error.ts'
import { AwsError } from './aws-error.ts'

/** Absent, or without content: an empty text, list or object. */
export const isBlank = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** Blank, false, or an object of such: the same as not being there. */
export function isEmpty(value: unknown): boolean {
  if (value === false || isBlank(value)) return true
  if (typeof value !== 'object' || Array.isArray(value)) return false
  return Object.values(value as object).every(isEmpty)
}

/**
 * Throws for the first member of `input` that is not taken and not empty. `instead` has the
 * nearest thing that works, by member.
 */
export function refuseOthers(
  input: object,
  {
    path = '',
    taken,
    instead = {},
    code = 'InvalidParameterException',
  }: {
    path?: string
    taken: readonly string[]
    instead?: Readonly<Record<string, string>>
    code?: AwsErrorCode
  },
): void {
  for (const [name, value] of Object.entries(input)) {
    if (taken.includes(name) || isEmpty(value)) continue
    throw new AwsError(code, 'is not supported by this version of enid', {
      field: path === '' ? name : `${path}.${name}`,
      hint: instead[name] ?? 'Leave it out',
    })
  }
}
