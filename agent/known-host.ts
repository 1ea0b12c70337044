// Who this host is, asked until somebody answers. Running tasks do not wait for it: a host that was
// known once is the one it was, when IMDS or EC2 are away (I9).

import type { Logger } from 'pino'
import type { Catalog } from '../state/catalog.ts'
import { peekFact, StateFileUnwritable, setAside } from '../state/database.ts'
import type { Journal } from '../state/journal.ts'
import { machineClock } from './clock.ts'
import type { Ec2 } from './drivers/ec2.ts'
import { findHost } from './drivers/host.ts'
import type { Imds } from './drivers/imds.ts'
import { Failure, sentence } from './failure.ts'
import type { Host } from './orders.ts'
import { askForeign, ForeignIndices } from './slots.ts'

/** The state file belongs to another instance: nothing in it is acted upon. */
export class StateOfAnotherHost extends Error {
  override name = 'StateOfAnotherHost'
}

/**
 * Moves the state file aside when it is another instance's (a cloned disk): nothing in it is acted
 * upon, nothing of it is changed. While IMDS does not say who we are, the file is taken as ours.
 */
export async function setForeignStateAside(
  path: string,
  { imds, log, signal }: { imds: Imds; log: Logger; signal: AbortSignal },
): Promise<void> {
  const owner = ownerOf(peekFact(path, 'host'))
  if (owner === undefined) return
  const instanceId = await imds.read('meta-data/instance-id', signal).catch((error) => {
    if (!(error instanceof Failure) || signal.aborted) throw error
    return owner
  })
  if (instanceId === owner) return
  const aside = setAside(path, `of-${owner}`)
  log.warn({ owner, instanceId, aside }, 'the state file is of another instance: set aside')
}

/** The instance in a host as it was kept; undefined where none was, or it cannot be read. */
function ownerOf(kept: string | undefined): string | undefined {
  try {
    return (JSON.parse(kept ?? '{}') as Partial<Host>).instanceId
  } catch {
    return undefined
  }
}

type Asking = {
  readonly ec2: Ec2
  readonly catalog: Catalog
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * The host as it was described since it booted: neither its type nor its zone can have changed since
 * then, so a start need not wait for EC2. Undefined where it was not.
 */
export function hostOfThisBoot(catalog: Catalog, bootId: string): Host | undefined {
  return catalog.fact('hostBoot') === bootId ? (catalog.jsonFact('host') as Host) : undefined
}

/** Who this host is. A host that EC2 or IMDS cannot describe now is the one it was before (I9). */
export async function knowHost({
  imds,
  bootId,
  ...asking
}: Asking & { imds: Imds; bootId: string }): Promise<Host> {
  const { ec2, catalog, signal } = asking
  const before = catalog.jsonFact('host') as Host | undefined
  const host = await orBefore(asking, before, () => findHost(imds, ec2, signal))
  if (before !== undefined && before.instanceId !== host.instanceId) {
    throw new StateOfAnotherHost(
      `the state file is of instance ${before.instanceId}, but this is ${host.instanceId} ` +
        '(a cloned disk?). Move the state directory away to start empty; nothing was changed',
    )
  }
  keep(asking, 'host', JSON.stringify(host))
  keep(asking, 'hostBoot', bootId)
  return host
}

/**
 * The device indices that others use: at first those of before, when EC2 does not tell them now, or
 * is not to be asked `now`.
 */
export async function foreignIndices({
  host,
  journal,
  now = true,
  onDefect,
  ...asking
}: Asking & {
  host: Host
  journal: Journal
  now?: boolean
  onDefect: (error: unknown) => void
}): Promise<ForeignIndices> {
  const { ec2, catalog, log, signal } = asking
  const kept = catalog.jsonFact('foreignIndices') as number[] | undefined
  const before = kept && new Set(kept)
  const ask = () => askForeign({ ec2, journal, catalog }, host.instanceId, signal)
  const onFailure = (failure: Failure) =>
    log.warn({ code: failure.code }, `ENI slots: ${sentence(failure)}`)
  const first = now || before === undefined ? await orBefore(asking, before, ask) : before
  return new ForeignIndices({ first, ask, clock: machineClock, onFailure, onDefect })
}

/** For the next start. What cannot be written now is only not known then. */
function keep({ catalog, log }: Asking, name: string, value: string): void {
  try {
    catalog.putFact(name, value)
  } catch (error) {
    if (!(error instanceof StateFileUnwritable)) throw error
    log.warn({ fact: name }, `not kept: ${error.message}`)
  }
}

async function orBefore<T>(
  { log, signal }: Asking,
  before: T | undefined,
  ask: () => Promise<T>,
): Promise<T> {
  if (before === undefined) return await untilFound(log, signal, ask)
  return await ask().catch((error) => {
    if (!(error instanceof Failure) || signal.aborted) throw error
    log.warn({ code: error.code }, `host not described, taking it as before: ${sentence(error)}`)
    return before
  })
}

/** Asks until there is an answer; says so in between. Gives up only when it is told to stop. */
export async function untilFound<T>(
  log: Logger,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  for (let delayMs = 500; ; delayMs = Math.min(delayMs * 2, 15_000)) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'transient') throw error
      signal.throwIfAborted()
      log.warn({ code: error.code, delayMs }, `waiting to know this host: ${sentence(error)}`)
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      signal.throwIfAborted()
    }
  }
}
