// What tasks ask of the agent, and what it needs for that: credentials of their roles, the values that
// no journal holds, and their protection. Put together here, for agent/main.ts.

import type { Logger } from 'pino'
import type { Journal } from '../state/journal.ts'
import type { Config } from './config.ts'
import { AgentRefused } from './config.ts'
import type { Roles } from './drivers/roles/roles.ts'
import { openRoles } from './drivers/roles/roles.ts'
import { RolesFileRefused, readRolesFile } from './drivers/roles/roles-file.ts'
import type { Values } from './drivers/values/values.ts'
import { openValues } from './drivers/values/values.ts'
import { type Failure, sentence } from './failure.ts'
import type { TaskOrders } from './orders.ts'

/** Keys that do not run out are told to be good for so long: the SDKs ask again then. */
const HOUR_MS = 3_600_000

/** Credentials that are got at once after a start (judgement). */
const ASKED_AT_ONCE = 4

type SecretsParts = {
  readonly region: string
  readonly signal: AbortSignal
  readonly log: Pick<Logger, 'warn'>
}

/** The hands for roles and values. Throws AgentRefused where the rolesFile cannot be used. */
export function openSecrets(
  { rolesFile, secretsDir }: Pick<Config, 'rolesFile' | 'secretsDir'>,
  { region, signal, log }: SecretsParts,
): { readonly roles: Roles; readonly values: Values } {
  try {
    const sources = rolesFile === undefined ? new Map() : readRolesFile(rolesFile)
    const onFailure = (role: string, failure: Failure) =>
      log.warn({ role, code: failure.code }, sentence(failure))
    const roles = openRoles({ sources, region, signal, onFailure })
    return { roles, values: openValues({ roles, region, secretsDir }) }
  } catch (error) {
    throw error instanceof RolesFileRefused ? new AgentRefused(error.message) : error
  }
}

/** The orders of api/inside, and of the actions about protection. */
export function taskOrders(parts: {
  readonly journal: Journal
  readonly roles: Roles
  readonly log: Pick<Logger, 'info'>
}): TaskOrders {
  const { journal, roles, log } = parts
  return {
    hasRole: (arn) => roles.has(arn),

    async credentials(id) {
      const role = journal.get(id)?.holder.spec.roles?.task
      if (role === undefined) throw new Error(`${id} has no task role`)
      const given = await roles.get(role, id)
      const { accessKeyId, secretAccessKey, sessionToken = '', expiresAt } = given
      // Who got which keys: the id of a key is none, and CloudTrail shows it.
      log.info({ task: id, role, accessKeyId }, 'credentials given to a task')
      const keys = { accessKeyId, secretAccessKey, token: sessionToken }
      return { roleArn: role, ...keys, expiresAt: expiresAt ?? Date.now() + HOUR_MS }
    },

    protect(id, until) {
      journal.append(id, { type: 'protectionSet', ...(until === undefined ? {} : { until }) })
    },
  }
}

/**
 * After a start: what running tasks will ask for is got before they ask, so that nobody waits; a few at
 * a time, because a thousand programs or calls of STS at once would help nobody. Ends with the signal.
 */
export function warmUp(journal: Journal, roles: Roles, signal: AbortSignal): void {
  const wanted = journal.living().flatMap(({ id, holder: { desired, spec } }) => {
    const { task } = spec.roles ?? {}
    return desired === 'running' && task !== undefined ? [{ id, task }] : []
  })
  const next = wanted.values()
  const askInTurn = async () => {
    for (const { id, task } of next) {
      if (signal.aborted) return
      // A failure is told to the log, and to whoever asks.
      await roles.get(task, id).catch(() => {})
    }
  }
  for (let n = 0; n < ASKED_AT_ONCE; n++) void askInTurn()
}
