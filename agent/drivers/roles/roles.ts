// The credentials of roles, for tasks (their endpoint) and for what the agent fetches on their behalf.
// Kept in memory only, and got anew well before they run out; several who ask share one asking.
//
//   got ─────────── good ───────────▶ due (15 min before the end, or half-way) ──────▶ run out
//                   given at once     given at once, and got anew meanwhile            waited for

import { Failure } from '../../failure.ts'
import type { Credentials } from './credentials.ts'
import { credentialsFrom } from './credentials.ts'
import type { RoleSource, RoleSources } from './roles-file.ts'

export type Roles = {
  /** Whether this host has a source of credentials for the role. */
  has(role: string): boolean
  /**
   * Credentials that are good for a while. `session` names who they are for, where the way knows of
   * that (AssumeRole). Rejects with a Failure: `NoSuchRole`, `RoleCredentialsFailed`.
   */
  get(role: string, session: string): Promise<Credentials>
}

export type RolesOptions = {
  readonly sources: RoleSources
  /** The host's own, for STS. */
  readonly region: string
  /** The agent's end: what is under way ends with it. */
  readonly signal?: AbortSignal
  /** Told of each asking that failed, also while there is something good to give. */
  readonly onFailure?: (role: string, failure: Failure) => void
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Gets credentials by one way, once. */
  readonly from?: typeof credentialsFrom
}

/** The SDKs ask again 5 to 15 minutes before the end: what they get then must be new. */
const DUE_MS = 15 * 60_000
/** Keys that do not run out may be replaced in their file. */
const LOOK_AGAIN_MS = 5 * 60_000
/** After a failure nobody is asked for so long: a task may ask forty times a second. */
const REST_MS = 5_000

type Good = { readonly credentials: Credentials; readonly gotAt: number }
type Kept = {
  good?: Good
  failed?: { readonly failure: Failure; readonly at: number }
  asking?: Promise<Credentials>
}

/** Opens it. Nobody is asked before the first need. */
export function openRoles(options: RolesOptions): Roles {
  const { sources, region, signal, onFailure, now = Date.now, from = credentialsFrom } = options
  const all = new Map<string, Kept>()

  async function ask(kept: Kept, source: RoleSource, role: string, session: string) {
    try {
      const credentials = await from(source, { role, session, region, signal })
      kept.good = { credentials, gotAt: now() }
      delete kept.failed
      return credentials
    } catch (error) {
      if (error instanceof Failure) {
        kept.failed = { failure: error, at: now() }
        onFailure?.(role, error)
      }
      throw error
    } finally {
      delete kept.asking
    }
  }

  function keptFor(key: string): Kept {
    // Those of tasks that are gone run out by themselves.
    for (const [other, { good, asking }] of all) {
      if (other !== key && good && !asking && isOver(good, now())) all.delete(other)
    }
    const kept = all.get(key) ?? {}
    all.set(key, kept)
    return kept
  }

  return {
    has: (role) => sources.has(role),

    async get(role, session) {
      const source = sources.get(role)
      if (source === undefined) {
        throw new Failure('refused', 'NoSuchRole', `this host has no credentials of ${role}`, {
          hint: 'Name a source for it in the rolesFile of the agent, and restart the agent',
        })
      }
      const kept = keptFor(source.kind === 'assumeRole' ? `${role} ${session}` : role)
      const { good, failed } = kept
      const usable = good !== undefined && !isOver(good, now()) ? good : undefined
      if (usable !== undefined && !isDue(usable, now())) return usable.credentials
      const isResting = failed !== undefined && now() - failed.at < REST_MS
      if (isResting && usable === undefined) throw failed.failure
      if (!isResting) kept.asking ??= ask(kept, source, role, session)
      if (usable === undefined) return await (kept.asking as Promise<Credentials>)
      // Its failure is kept, and told when there is nothing good any more.
      kept.asking?.catch(() => {})
      return usable.credentials
    },
  }
}

const isOver = ({ credentials: { expiresAt } }: Good, now: number): boolean =>
  expiresAt !== undefined && now >= expiresAt

/** Those that are short-lived from the start are good for half of their life. */
function isDue({ credentials: { expiresAt }, gotAt }: Good, now: number): boolean {
  if (expiresAt === undefined) return now >= gotAt + LOOK_AGAIN_MS
  return now >= expiresAt - Math.min(DUE_MS, (expiresAt - gotAt) / 2)
}
