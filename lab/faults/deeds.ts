// Deeds of others, done: at once or after a time to whatever they may befall, or in the wake of a
// call to that call's ENI. One that finds nothing any more when its time has come is only logged.

import type { Logger } from 'pino'
import { Refusal } from '../model/refusal.ts'
import type { World } from '../model/world.ts'
import type { Region } from '../region.ts'
import { holderOf } from './call-facts.ts'
import type { CallPlan, Deed } from './call-plan.ts'
import type { FaultOptions, Occasion } from './fault.ts'
import { durationMs, type OutsideKind } from './kind.ts'
import { befallsEnis, targets } from './outside-faults.ts'
import type { Timers } from './timers.ts'

/** Meets the fault with something it may befall; says whether it strikes. */
export type Meet = (occasion: Occasion, what: string) => boolean

export class Deeds {
  readonly #region: Region
  readonly #timers: Timers
  readonly #log: Logger

  constructor(region: Region, timers: Timers, log: Logger) {
    this.#region = region
    this.#timers = timers
    this.#log = log
  }

  /** Does a deed to whatever it may befall: now, or after its seconds if it is still wanted. */
  async doNow(
    kind: OutsideKind,
    options: FaultOptions,
    meet: Meet,
    stillWanted: () => boolean,
  ): Promise<void> {
    const afterMs = durationMs(options)
    if (afterMs === 0) return this.#perform(kind, options, meet)
    this.#timers.after(afterMs, () => {
      if (!stillWanted()) return
      this.#perform(kind, options, meet).catch((error: unknown) => this.#tell(error))
    })
  }

  /** Does one deed. What it cannot do is logged: it is the caller's call that goes on. */
  async perform(deed: Deed): Promise<void> {
    await this.#region
      .change((world) => ({ world: deed(world), output: undefined }))
      .catch((error: unknown) => this.#tell(error))
  }

  /** Does the deeds that follow a call: those without a time before it is answered. */
  async follow({ deedsAfter, facts }: CallPlan, output: object): Promise<void> {
    if (deedsAfter.length === 0) return
    const eniId = facts.eniIds[0] ?? madeEni(output) ?? ''
    for (const { afterMs, deed } of deedsAfter) {
      const perform = (): Promise<void> => this.perform((world) => deed(world, eniId))
      if (afterMs === 0) await perform()
      else this.#timers.after(afterMs, () => void perform())
    }
  }

  async #perform(kind: OutsideKind, options: FaultOptions, meet: Meet): Promise<void> {
    await this.#region.change((world) => {
      const next = befallsEnis(kind, options)
        ? toEnis(world, kind, options, meet)
        : again(world, kind, options, meet)
      return { world: next, output: undefined }
    })
  }

  #tell(error: unknown): void {
    if (error instanceof Refusal) this.#log.warn({ reason: error.message }, 'a deed was not done')
    else this.#log.error({ err: error }, 'a deed failed')
  }
}

function toEnis(world: World, kind: OutsideKind, options: FaultOptions, meet: Meet): World {
  let next = world
  for (const { eniId, subnetId } of targets(world)) {
    const done = tried(() => kind.deed(next, eniId, options))
    if (done === undefined || done === next) continue
    const occasion = { eniIds: [eniId], holders: holderOf(world, eniId), subnetId }
    if (meet(occasion, eniId)) next = done
  }
  return next
}

/** The world after a deed; undefined where there is nothing to do it to. */
function tried(deed: () => World): World | undefined {
  try {
    return deed()
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

function again(world: World, kind: OutsideKind, options: FaultOptions, meet: Meet): World {
  let next = world
  for (let n = 0; n < (options.times ?? 1); n++) {
    if (meet({ eniIds: [], holders: [] }, options.group ?? '')) {
      next = kind.deed(next, '', options)
    }
  }
  return next
}

function madeEni(output: object): string | undefined {
  const { NetworkInterface: made }: { NetworkInterface?: { NetworkInterfaceId?: string } } = output
  return made?.NetworkInterfaceId
}
