// What the agent works with: who this host is (IMDSv2, EC2), and its hands on EC2, Docker and the
// kernel, each opened once and closed with `up`.
//
//   config, state file ─▶ host ─▶ budget, EC2, Docker, kernel, roles, images ─▶ drivers

import type { Journal } from '../state/journal.ts'
import { rowState } from '../state/task.ts'
import { Budget } from './budget.ts'
import { machineClock } from './clock.ts'
import { Drain } from './drain.ts'
import { bootId } from './drivers/boot-id.ts'
import { openDocker } from './drivers/docker.ts'
import { openDrivers } from './drivers/drivers.ts'
import type { Ec2Call } from './drivers/ec2.ts'
import { openEc2 } from './drivers/ec2.ts'
import { Endpoints } from './drivers/endpoints.ts'
import { openFdStore } from './drivers/fd-store.ts'
import { regionOf } from './drivers/host.ts'
import type { Imds } from './drivers/imds.ts'
import { openKernel } from './drivers/kernel/kernel.ts'
import { openStartTurns } from './drivers/start-turns.ts'
import { openSubnets } from './drivers/subnets.ts'
import { openImages } from './images.ts'
import { foreignIndices, hostOfThisBoot, knowHost, untilFound } from './known-host.ts'
import type { Base, State } from './open-state.ts'
import { claimInstance } from './open-state.ts'
import { openSecrets } from './task-orders.ts'

/** What is there before the host is known. */
export type Told = State & { readonly imds: Imds; readonly onDefect: (error: unknown) => void }

export type Hands = Awaited<ReturnType<typeof openHands>>

/** Finds out who this host is, waiting for as long as that takes, and opens what can be done on it. */
export async function openHands(base: Base, given: Told) {
  const { config, log, signal, up } = base
  const { imds, journal, catalog, onDefect } = given
  const { timeoutScale } = config
  const before = hostOfThisBoot(catalog, bootId())
  const region =
    process.env.AWS_REGION ??
    before?.region ??
    (await untilFound(log, signal, () => regionOf(imds, signal)))
  const budget = new Budget({ clock: machineClock, share: config.ec2Share })
  const onCall = (call: Ec2Call) => log.debug(call, 'ec2 call')
  const ec2 = openEc2({ region, budget, timeoutScale, onCall })
  up.defer(() => ec2.close())
  const asking = { ...{ imds, ec2, catalog, log, signal, onDefect }, bootId: bootId() }
  const host = before ?? (await knowHost(asking))
  up.defer(claimInstance(host.instanceId))
  const now = before === undefined
  const foreign = await foreignIndices({ ...asking, host, journal, now })
  const docker = openDocker()
  const turns = openStartTurns()
  const store = openFdStore()
  const bare = openKernel(log)
  up.defer(() => bare.close())
  const endpoints = new Endpoints(bare, store)
  up.defer(() => endpoints.closeAll())
  const takenUp = await endpoints.takeUp(heldNamespaces(journal))
  const handedOver = store.inherited.length
  if (handedOver > 0) log.info({ handedOver, takenUp }, 'listeners of the agent before')
  const { kernel } = endpoints
  const subnets = openSubnets({ ec2, vpcId: host.vpcId })
  const { keepGroups } = config
  const { roles, values } = openSecrets(config, { region, signal, log })
  up.defer(() => values.close())
  const drain = new Drain({ catalog, clock: machineClock, bootId: bootId(), timeoutScale })
  const images = openImages({ ...base, ...given, docker, roles, values })
  const drivers = openDrivers({
    ...{ ec2, subnets, docker, kernel, host, timeoutScale, keepGroups, roles, values },
    images: images.forDriver,
    stateDir: config.stateDir,
    hostLeftMs: () => drain.leftMs(),
    onTaken: () => foreign.wereMore(),
    turns,
  })
  /** What was taken from before is asked for once the agent is ready: nothing waits for it. */
  const askAgain = () => {
    if (before === undefined) return
    foreign.wereMore()
    const failed = (error: unknown) => (signal.aborted ? undefined : onDefect(error))
    knowHost(asking).then((found) => Object.assign(host, found), failed)
  }
  const hands = {
    budget,
    turns,
    ec2,
    host,
    foreign,
    docker,
    kernel,
    endpoints,
    subnets,
    drain,
    drivers,
  }
  return { ...hands, roles, images, askAgain }
}

/** The namespaces of the sandboxes that are held, or may be. */
function heldNamespaces(journal: Journal): ReadonlySet<string> {
  const found = journal.living().flatMap(({ holder }) => {
    const { is, details } = rowState(holder, 'sandbox')
    const { netns } = (details ?? {}) as { netns?: string }
    return is === 'none' || netns === undefined ? [] : [netns]
  })
  return new Set(found)
}
