// The composition root: the one file that knows all rooms, and that nothing imports but the command.
//
//   config ─▶ door ─▶ state file ─▶ host (IMDSv2, EC2) ─▶ drivers ─▶ runner ─▶ watchers ─▶ API ─▶ READY
//
// Stopping lets go of everything and touches no task: a restart takes up where the journal ends.

import { pino } from 'pino'
import type { Door } from '../api/door.ts'
import { openDoor } from '../api/door.ts'
import { openApi } from '../api/server.ts'
import enid from '../package.json' with { type: 'json' }
import { StateFileRefused } from '../state/refusal.ts'
import { capacityOf } from './capacity.ts'
import { machineClock } from './clock.ts'
import type { Config } from './config.ts'
import { AgentRefused } from './config.ts'
import { DEADLINE_MS, scaled } from './deadlines.ts'
import { stopDrained } from './drain.ts'
import { watchLinks } from './drift.ts'
import { openCgroups } from './drivers/cgroup/tree.ts'
import { watchContainers } from './drivers/container-events.ts'
import { openImds } from './drivers/imds.ts'
import { sdNotify, watchdogIntervalMs } from './drivers/sd-notify.ts'
import { every } from './every.ts'
import { sentence } from './failure.ts'
import { dieAt } from './fault-point.ts'
import { checkAddresses } from './fixed-address.ts'
import type { Hands, Told } from './hands.ts'
import { openHands } from './hands.ts'
import { insideOrders } from './inside-orders.ts'
import { inspectTask } from './inspection.ts'
import { keepServices } from './keep-services.ts'
import { keepSpares, spareOrders } from './keep-spares.ts'
import { reconcileOf } from './keep-sweep.ts'
import { watchNotices } from './notice.ts'
import type { Base } from './open-state.ts'
import { keepBackups, lockState, openState, refusalOf, refuseSecondAgent } from './open-state.ts'
import type { Orders } from './orders.ts'
import { choose, freeNow, slotsUsed } from './placement.ts'
import { placementOf } from './placement-facts.ts'
import { Queue } from './queue.ts'
import { logsOf, prune } from './retention.ts'
import { Runner } from './runner.ts'
import { watchStartTimeouts } from './start-timeouts.ts'
import { openStats } from './stats.ts'
import { taskOrders, warmUp } from './task-orders.ts'
import { waitsOf } from './waits.ts'
import { eventOf } from './watch.ts'

const PRUNE_EVERY_MS = 30_000

/** Runs the agent until `signal` aborts. Rejects with AgentRefused, or with a defect of ours. */
export async function runAgent(config: Config, signal: AbortSignal): Promise<void> {
  await live(config, signal).catch((error) => {
    if (signal.aborted && error === signal.reason) return
    throw refusalOf(error) ?? error
  })
}

async function live(config: Config, signal: AbortSignal): Promise<void> {
  const log = pino({ level: config.logLevel }, pino.destination(2))
  if (process.getuid?.() !== 0) {
    throw new AgentRefused(
      'the agent must run as root: it moves network cards. Try sudo enid agent',
    )
  }
  await refuseSecondAgent(config.socket)
  await using up = new AsyncDisposableStack()
  up.defer(lockState(config.stateDir))
  const door = openDoor()
  up.defer(() => door.close())
  const base: Base = { config, log, signal, up, waitFor: door.waitFor }
  await door.listenUnix(config.socket)
  const imds = openImds()
  door.waitFor('its state file')
  const state = await openState(base, imds)
  const defect = Promise.withResolvers<never>()
  defect.promise.catch(() => {})
  const told = { ...state, imds, onDefect: defect.reject }
  door.waitFor('IMDS and EC2 to say which host this is')
  const hands = await openHands(base, told)
  // Not sooner: that another agent works for this instance says more than that the port is taken.
  if (config.listen !== undefined) await door.listenTcp(config.listen.host, config.listen.port)
  door.waitFor('its tasks to be taken up')
  await serve(base, { ...told, ...hands, door })

  const over = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
  up.defer(() => sdNotify('STOPPING=1'))
  await Promise.race([over, defect.promise])
}

type Parts = Omit<Told, 'images'> & Hands & { readonly door: Door }

/** Sets everything going, and opens the door last: whoever is answered is answered by a whole agent. */
async function serve(base: Base, parts: Parts): Promise<void> {
  const { config, log, signal, up } = base
  const { journal, catalog, budget, host, docker, kernel, subnets, drivers, onDefect } = parts
  const { drain, foreign, imds } = parts
  const end = new AbortController()
  const ended = AbortSignal.any([signal, end.signal])
  const capacity = capacityOf(config.reservedMemory)
  const placement = placementOf({ ...parts, capacity }, { log, signal: ended })
  const runner = new Runner({
    journal,
    drivers,
    choose: (entry, row) => choose(placement, entry, row),
    hold: (entry, step) => drain.hold(entry, step),
    clock: machineClock,
    deadlineMs: scaled(DEADLINE_MS, config.timeoutScale),
    onDefect,
    passing: dieAt(process.env.ENID_DIE_AT),
  })
  up.defer(() => runner.close())
  const queue = new Queue({
    ...{ journal, facts: placement, runner, clock: machineClock, onDefect },
    isDraining: () => drain.view() !== undefined,
  })
  up.defer(() => queue.close())
  const spares = keepSpares(base, {
    ...{ journal, drain, runner, queue, onDefect, facts: placement },
    noticed: (id) => reconcile.noticed(id),
  })
  const tell = spares.tell.bind(spares)
  const reconcile = reconcileOf(parts, { tell, log, config })
  up.defer(() => reconcile.close())
  const enforce = () => {
    stopDrained(drain, journal, runner, Date.now())
    spares.look()
  }
  const services = keepServices(base, parts, {
    ...{ runner, ended },
    room: (spec) => orders.room(spec),
    place: (spec, count) => orders.place(spec, count),
    start: (id) => orders.start(id),
  })
  const orders: Orders = {
    host,
    prepare: (ids) => subnets.prepare(ids, ended),
    room: (spec) => {
      checkAddresses(placement, spec.enis)
      const found = queue.room(spec)
      if (found.taskCount === 0) foreign.mayHaveGone()
      return found
    },
    slotsUsed: () => slotsUsed(placement),
    capacity: () => ({ registered: capacity, remaining: freeNow(placement) }),
    isQueueFull: () => queue.isFull,
    start: (id) => {
      queue.look()
      spares.started(id)
      runner.advance(id)
    },
    stop: (id, stop) => runner.stop(id, stop),
    amend: (id, spec, rows) => runner.amend(id, spec, rows),
    allWaiting: () => waitsOf([runner, budget, queue, parts.turns]),
    waiting: (id) => [runner, budget, queue, parts.turns].flatMap((each) => each.waiting(id)),
    noticed: (id) => reconcile.noticed(id),
    budget: () => budget.view(),
    images: () => parts.images.view(),
    draining: () => drain.view(),
    drain: (order) => {
      drain.ask(order)
      enforce()
    },
    undrain: () => {
      drain.takeBack()
      spares.look()
    },
    planSweep: () => reconcile.plan(),
    sweep: () => reconcile.sweep(),
    serviceChanged: () => services.changed(),
    serviceWaiting: (key) => services.waiting(key),
    logs: (id, container, lines) => logsOf({ journal, docker }, id, container, lines),
    ...insideOrders({ journal, docker, log }),
    inspect: (id) => inspectTask({ journal, docker }, id),
    stats: openStats({ journal, cgroups: openCgroups(), kernel, clock: machineClock }),
    ...taskOrders({ journal, roles: parts.roles, log }),
    ...spareOrders(spares),
  }
  const onApiDefect = (error: unknown) =>
    error instanceof StateFileRefused ? onDefect(error) : log.error({ err: error }, 'defect')
  const api = await openApi({
    ...{ orders, journal, catalog, services: parts.services, version: enid.version },
    ...{ onDefect: onApiDefect, privileged: config.privileged, netAdmin: config.netAdmin },
    door: parts.door,
  })
  up.defer(() => api.close())
  parts.endpoints.answerWith(api.answerInside)

  const following = subnets.follow(ended).catch(onDefect)
  // Stops what the drain of an earlier life has left to be stopped, before anything goes on.
  up.defer(await watchNotices({ imds, drain, enforce, clock: machineClock, log, onDefect }))
  runner.resume()
  queue.look()
  warmUp(journal, parts.roles, ended)
  services.start()
  spares.start()
  reconcile.start()
  const watching = watchContainers(
    {
      docker,
      instanceId: host.instanceId,
      onEvent: (seen) => {
        const event = eventOf(journal, seen)
        if (event !== undefined) tell(seen.holderId, event)
      },
      onLost: (failure) => log.warn({ code: failure.code }, `dockerd: ${sentence(failure)}`),
    },
    ended,
  ).catch(onDefect)
  up.defer(async () => {
    end.abort()
    await Promise.all([following, watching])
  })
  up.defer(watchLinks({ journal, kernel, host, clock: machineClock, tell, onDefect }))
  up.defer(watchStartTimeouts({ journal, runner, clock: machineClock, onDefect }))
  every(up, PRUNE_EVERY_MS, () => prune(journal, catalog, config.retentionMs, Date.now()), onDefect)

  parts.door.open(api.routes)
  sdNotify('READY=1')
  every(up, watchdogIntervalMs(), () => sdNotify('WATCHDOG=1'), onDefect)
  keepBackups(base, parts.backUp)
  parts.askAgain()
  log.info({ instance: host.instanceId, socket: config.socket, listen: config.listen }, 'ready')
}
