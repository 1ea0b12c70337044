// What the agent stands on before it looks at the world: alone on its socket and in its directory,
// with a state file that is this instance's own, locked and folded.

import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Catalog } from '../state/catalog.ts'
import { lockDirectory, openDatabase } from '../state/database.ts'
import { Journal } from '../state/journal.ts'
import type { Config } from './config.ts'
import { AgentRefused } from './config.ts'
import type { Imds } from './drivers/imds.ts'
import { logEvent } from './journal-log.ts'
import { setForeignStateAside } from './known-host.ts'
import { bootId, noteReboot } from './reboot.ts'

/** What every part is opened with; `up` takes it down again, the last first. */
export type Base = {
  readonly config: Config
  readonly log: Logger
  readonly signal: AbortSignal
  readonly up: AsyncDisposableStack
}
export type State = { readonly journal: Journal; readonly catalog: Catalog }

/** The state file: locked, ours, folded. */
export async function openState({ config, log, signal, up }: Base, imds: Imds): Promise<State> {
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 })
  up.defer(lockDirectory(config.stateDir))
  const path = join(config.stateDir, 'enid.db')
  await setForeignStateAside(path, { imds, log, signal })
  const db = openDatabase(path)
  up.defer(() => {
    db.close()
    log.info({}, 'stopped; tasks go on')
  })
  const journal = new Journal(db, Date.now)
  for (const { id, why } of journal.quarantined) log.error({ task: id, why }, 'task quarantined')
  journal.follow((entry, event) => logEvent(log, entry, event))
  const catalog = new Catalog(db, Date.now)
  const taskCount = noteReboot({ journal, catalog }, bootId())
  if (taskCount !== undefined) log.warn({ taskCount }, 'the host was rebooted: its tasks are over')
  return { journal, catalog }
}

/** When this state file was begun, milliseconds since the epoch. What runs since before is not its. */
export function journalSince(catalog: Catalog): number {
  const since = catalog.fact('journalSince') ?? String(Date.now())
  catalog.putFact('journalSince', since)
  return Number(since)
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
    `another agent answers on ${socket}. Stop it, or set ENID_SOCKET and ENID_STATE_DIR for a second one`,
  )
}
