// Under which id the containers of one task ask for its role's credentials: its own, whoever begins it
// (RunTask, a service), so it is given where a holder begins.

import { randomUUID } from 'node:crypto'
import type { Spec } from './spec.ts'

/** The spec with an id that nobody can guess, where it has a task role; else as it is. */
export const withCredentialsId = (spec: Spec): Spec =>
  spec.roles?.task === undefined
    ? spec
    : { ...spec, roles: { ...spec.roles, credentialsId: randomUUID() } }
