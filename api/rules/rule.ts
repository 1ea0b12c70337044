// What a rule is: a pure look at a task definition that throws at the first thing it cannot accept.

import type { ContainerDefinition, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import type { Architecture } from '../api.ts'
import { clientError, shown } from '../aws-error.ts'

/** What a rule asks of the host. */
export type RuleHost = {
  readonly architecture: Architecture
  /** Whether containers may be privileged, and so have every capability. */
  readonly privileged: boolean
  /** Whether they may have NET_ADMIN: no unless told. */
  readonly netAdmin?: boolean
}

/** Throws AwsError (ClientException) that names the field, the value, the rule and the remedy. */
export type Rule = (definition: RegisterTaskDefinitionRequest, host: RuleHost) => void

/** The containers with their paths. */
export const containersOf = ({
  containerDefinitions = [],
}: RegisterTaskDefinitionRequest): { container: ContainerDefinition; path: string }[] =>
  containerDefinitions.map((container, index) => ({
    container,
    path: `containerDefinitions[${index}]`,
  }))

/** Throws unless the number is absent or within the range. */
export function checkRange(
  path: string,
  value: number | undefined,
  [min, max]: readonly [number, number],
  unit = '',
): void {
  if (value === undefined || (value >= min && value <= max)) return
  throw clientError(path, `${value} is outside ${min} to ${max}${unit}`)
}

/** Throws unless the text is absent, empty (which is as good as absent) or of this form. */
export function checkForm(path: string, value: string | undefined, form: RegExp, rule: string) {
  if (value === undefined || value === '' || form.test(value)) return
  throw clientError(path, `${shown(value)}: ${rule}`)
}

/** Throws at the first value that stands twice. `what` says what it is, for people. */
export function checkUnique(values: readonly { path: string; value: string }[], what: string) {
  const seen = new Map<string, string>()
  for (const { path, value } of values) {
    const first = seen.get(value)
    if (first !== undefined) {
      throw clientError(path, `${shown(value)} is also ${first}; ${what} must be unique`)
    }
    seen.set(value, path)
  }
}
