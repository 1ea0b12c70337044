// IMDS of a lab, faults included: the rules in answer.ts, over the world as IMDS is to see it. Both
// ways in, the loopback server's and the fabric's listeners, ask here.

import type { ImdsSight, Switchboard } from '../faults/switchboard.ts'
import { attachedTo } from '../model/network-interface.ts'
import type { Instance } from '../model/world.ts'
import type { Region } from '../region.ts'
import { type Alteration, answerImds, type ImdsAnswer, type ImdsRequest, refuse } from './answer.ts'
import { Tokens } from './token.ts'

export class Imds {
  readonly #region: Region
  readonly #faults: Switchboard
  readonly #tokens: Tokens

  constructor(region: Region, faults: Switchboard, tokens: Tokens = new Tokens()) {
    this.#tokens = tokens
    this.#region = region
    this.#faults = faults
  }

  /** Answers an instance's request; undefined: the connection is to end without an answer. */
  answer({ instanceId }: Instance, request: ImdsRequest): ImdsAnswer | undefined {
    const sight = this.#faults.imds(instanceId, request.path)
    const nowMs = Date.now()
    if (sight?.absent === true) return undefined
    if (sight?.failing === true) return refuse(503, 'Service Unavailable')
    const world = sight?.world ?? this.#region.world
    // As it is in that world: what the caller holds may be from before its options were changed.
    const instance = world.instances.get(instanceId)
    if (instance === undefined) return refuse(404, 'Not Found: there is no such instance')
    const alter = sight === undefined ? undefined : altered(sight, instance)
    return answerImds(world, instance, this.#tokens, request, nowMs, alter)
  }
}

/** Adds what is announced, and leaves of a bare ENI no more than its MAC. */
function altered({ world, bare, notices }: ImdsSight, instance: Instance): Alteration {
  const macs = attachedTo(world, instance.instanceId)
    .filter(({ eniId }) => bare === true || (bare !== false && bare.includes(eniId)))
    .map(({ mac }) => `meta-data/network/interfaces/macs/${mac}/`)
  return (leaves) => {
    const told = [...leaves].filter(
      ([path]) => path.endsWith('/mac') || !macs.some((folder) => path.startsWith(folder)),
    )
    return new Map([...told, ...Object.entries(notices)])
  }
}
