// What several answers have in common.

import type { Answers } from './answer.ts'
import { always, as, when } from './answer.ts'

export const failures: Answers = {
  arn: always,
  reason: as('`MISSING`'),
  detail: when('its record cannot be read'),
}
export const tags: Answers = { key: always, value: always }
export const pair: Answers = { name: always, value: always }
