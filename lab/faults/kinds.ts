// Every fault the lab has, by name: what `enid lab fault list` shows, and what is refused by name.

import { ANSWER_FAULTS } from './answer-faults.ts'
import { IMDS_FAULTS, NOTICES } from './imds-faults.ts'
import type { Kind } from './kind.ts'
import { LINK_FAULTS } from './link-faults.ts'
import { OUTSIDE_FAULTS } from './outside-faults.ts'
import { REFUSAL_FAULTS } from './refusal-faults.ts'

/** The kinds of fault, family by family. */
export const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>(
  [ANSWER_FAULTS, REFUSAL_FAULTS, LINK_FAULTS, IMDS_FAULTS, NOTICES, OUTSIDE_FAULTS].flatMap(
    (family) => Object.entries(family),
  ),
)
