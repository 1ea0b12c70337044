// What RunTask was asked, kept in the spec for answering DescribeTasks and never for deciding.

import type { TaskOverride } from '@aws-sdk/client-ecs'
import type { Json, Spec } from '../state/spec.ts'

/** ECS's words about a task that the spec has no use for. */
export type Asked = {
  readonly cluster: string
  readonly family: string
  readonly revision: number
  readonly group: string
  readonly startedBy?: string
  readonly overrides: TaskOverride
  /** The containers' cpu units in the spec's order, overrides applied: Docker gets 2 for 0. */
  readonly cpu: readonly number[]
}

/** As plain data: a TaskOverride was read from JSON and holds nothing else. */
export const askedJson = (asked: Asked): Json => asked as unknown as Json

export const askedOf = ({ asked }: Spec): Asked => asked as unknown as Asked
