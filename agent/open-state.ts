// What the agent stands on before it looks at the world: alone on its socket and in its directory,
// with a state file that is this instance's own, locked and folded.

import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Catalog } from '../state/catalog.ts'
import { backUp, lockFile, openDatabase, StateFileUnwritable } from '../state/database.ts'
import { Images } from '../state/images.ts'
import { Journal } from '../state/journal.ts'
import { StateFileRefused } from '../state/refusal.ts'
import { ServiceStore } from '../state/service-store.ts'
import type { Config } from './config.ts'
import { AgentRefused } from './config.ts'
import { bootId } from './drivers/boot-id.ts'
import type { Imds } from './drivers/imds.ts'
import { logEvent } from './journal-log.ts'
import { StateOfAnotherHost, setForeignStateAside } from './known-host.ts'
import { noteReboot } from './reboot.ts'

/** What every part is opened with; `up` takes it down again, the last first. */
export type Base = {
  readonly config: Config
  readonly log: Logger
  readonly signal: AbortSignal
  readonly up: AsyncDisposableStack
  /** Says what the start waits for, to whoever asks meanwhile. */
  readonly waitFor: (what: string) => void
}
export type State = {
  readonly journal: Journal
  readonly catalog: Catalog
  readonly images: Images
  readonly services: ServiceStore
  /** Copies the state file beside itself; answers the copy's path. */
  readonly backUp: () => Promise<string>
}

/** The same for all agents of a host, and gone with a reboot. */
const LOCKS = '/run/enid'
const UNWRITABLE_MS = 1000
const BACKUP_EVERY_MS = 86_400_000

/** Makes the state directory and locks it until the answer is called. Throws StateFileRefused. */
export function lockState(stateDir: string): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const taken = `another agent works in ${stateDir}. Stop it first`
  return lockFile(join(stateDir, 'lock'), taken)
}

/** The state file: ours, folded. Waits while somebody else has it locked, or the disk is full. */
export async function openState(base: Base, imds: Imds): Promise<State> {
  const { config, log, signal, up } = base
  const path = join(config.stateDir, 'enid.db')
  await setForeignStateAside(path, { imds, log, signal })
  const db = await untilWritable(base, () => openDatabase(path))
  up.defer(() => {
    db.close()
    log.info({}, 'stopped; tasks go on')
  })
  const journal = new Journal(db, Date.now)
  for (const { id, why } of journal.quarantined) log.error({ task: id, why }, 'task quarantined')
  journal.follow((entry, event) => logEvent(log, entry, event))
  const catalog = new Catalog(db, Date.now)
  const services = new ServiceStore(db, Date.now)
  for (const what of [...catalog.unread(), ...services.unread()])
    log.error({ what }, `${what} cannot be read: left out`)
  await untilWritable(base, () => {
    const taskCount = noteReboot({ journal, catalog }, bootId())
    if (taskCount !== undefined)
      log.warn({ taskCount }, 'the host was rebooted: its tasks are over')
    return noteSince(catalog, log)
  })
  const images = new Images(db, Date.now)
  return { journal, catalog, services, images, backUp: () => backUp(db, Date.now()) }
}

/** Tries until it can be written. Says so in between; gives up only when it is told to stop. */
async function untilWritable<T>({ log, signal }: Base, work: () => T): Promise<T> {
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
      log.warn({}, `waiting for the state file: ${error.message}`)
      await new Promise((resolve) => setTimeout(resolve, UNWRITABLE_MS))
      signal.throwIfAborted()
    }
  }
}

/**
 * Writes down when this state file was begun. A backup that was put back begins anew: what came to
 * run after it was made is not known to it, and no orphan for all that.
 */
function noteSince(catalog: Catalog, log: Logger): void {
  const copiedAt = catalog.fact('copiedAt')
  if (copiedAt === undefined && catalog.fact('journalSince') !== undefined) return
  catalog.putFact('journalSince', String(Date.now()))
  if (copiedAt === undefined) return
  catalog.forgetFact('copiedAt')
  const at = new Date(Number(copiedAt)).toISOString()
  log.warn({ at }, `this is the backup of ${at}: tasks started since are left to enid sweep`)
}

/** When this state file was begun, milliseconds since the epoch. What runs since before is not its. */
export const journalSince = (catalog: Catalog): number => Number(catalog.fact('journalSince'))

/**
 * Copies the state file once the agent is ready, and then every day. A failure is a warning: the
 * copy before stands. The copy that is under way is awaited at the end.
 */
export function keepBackups({ log, up }: Base, make: () => Promise<string>): void {
  let busy = Promise.resolve()
  const again = () => {
    busy = make().then(
      (copy) => log.debug({ copy }, 'state file copied'),
      (error) => log.warn({}, `the state file was not copied: ${(error as Error).message}`),
    )
  }
  const timer = setInterval(again, BACKUP_EVERY_MS)
  up.defer(async () => {
    clearInterval(timer)
    await busy
  })
  again()
}

/**
 * One agent to an instance, wherever its state and its socket are: each of two would take the other's
 * tasks for orphans. Answers the way to let go. Throws StateFileRefused.
 */
export function claimInstance(instanceId: string): () => void {
  mkdirSync(LOCKS, { recursive: true, mode: 0o750 })
  const taken = `another agent works for ${instanceId} on this host. Stop it first`
  return lockFile(join(LOCKS, `${instanceId}.lock`), taken)
}

/** What keeps the agent from starting, or from going on, for a reason that is not a mistake of ours. */
export function refusalOf(error: unknown): AgentRefused | undefined {
  const kinds = [StateFileRefused, StateFileUnwritable, StateOfAnotherHost]
  const isTaken = (error as { code?: string }).code === 'EADDRINUSE'
  const isOurs = kinds.some((kind) => error instanceof kind)
  return isOurs || isTaken ? new AgentRefused((error as Error).message) : undefined
}

/** Whoever answers on our socket is an agent: two of them would fight over every task. */
export async function refuseSecondAgent(socket: string): Promise<void> {
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (!answers) return
  throw new AgentRefused(
    `another agent answers on ${socket}. Stop it first, or set ENID_SOCKET where it is another host's`,
  )
}
