// The composition root: the one file that knows all rooms, and that nothing imports but the command.
//
//   config ─▶ state file ─▶ host (IMDSv2, EC2) ─▶ drivers ─▶ runner ─▶ watchers ─▶ API ─▶ READY
//
// Stopping lets go of everything and touches no task: a restart takes up where the journal ends.

import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import { openApi } from '../api/server.ts'
import enid from '../package.json' with { type: 'json' }
import { Catalog } from '../state/catalog.ts'
import { openDatabase } from '../state/database.ts'
import { Journal } from '../state/journal.ts'
import { Budget } from './budget.ts'
import { machineClock } from './clock.ts'
import type { Config } from './config.ts'
import { watchContainers } from './drivers/container-events.ts'
import { openDocker } from './drivers/docker.ts'
import { openDrivers } from './drivers/drivers.ts'
import { openEc2 } from './drivers/ec2.ts'
import { regionOf } from './drivers/host.ts'
import { openImds } from './drivers/imds.ts'
import { openKernel } from './drivers/kernel/kernel.ts'
import { openOrphans } from './drivers/orphans.ts'
import { sdNotify, watchdogIntervalMs } from './drivers/sd-notify.ts'
import { openSubnets } from './drivers/subnets.ts'
import { openSurvey } from './drivers/survey.ts'
import { Failure, sentence } from './failure.ts'
import { dieAt } from './fault-point.ts'
import { logEvent } from './journal-log.ts'
import { foreignIndices, knowHost, setForeignStateAside, untilFound } from './known-host.ts'
import type { Orders } from './orders.ts'
import type { PlacementFacts } from './placement.ts'
import { choose, room, slotsUsed } from './placement.ts'
import { Reconcile } from './reconcile.ts'
import { logsOf, prune } from './retention.ts'
import { Runner } from './runner.ts'
import { SWEEP_MS } from './verdict.ts'
import { eventOf, watchLinks } from './watch.ts'

/** The agent cannot start here. The message says why and what to do. */
export class AgentRefused extends Error {
  override name = 'AgentRefused'
}

/**
 * How long an ensure may go on failing before its task gives up, milliseconds. The link's is what
 * ECS allows an ENI to appear (3 minutes, ecs-agent #4825), the image's what ECS allows a pull.
 */
const DEADLINE_MS = {
  eni: 120_000,
  image: 1_800_000,
  sandbox: 120_000,
  attachment: 120_000,
  guard: 120_000,
  link: 180_000,
  container: 240_000,
}
const PRUNE_EVERY_MS = 30_000

/** Runs the agent until `signal` aborts. Rejects with AgentRefused, or with a defect of ours. */
export async function runAgent(config: Config, signal: AbortSignal): Promise<void> {
  await live(config, signal).catch((error) => {
    if (!signal.aborted || error !== signal.reason) throw error
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
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 })
  const imds = openImds()
  const path = join(config.stateDir, 'enid.db')
  await setForeignStateAside(path, { imds, log, signal })
  const db = openDatabase(path)
  const journal = new Journal(db, Date.now)
  const catalog = new Catalog(db, Date.now)
  for (const { id, why } of journal.quarantined) log.error({ task: id, why }, 'task quarantined')
  journal.follow((entry, event) => logEvent(log, entry, event))

  const region =
    process.env.AWS_REGION ?? (await untilFound(log, signal, () => regionOf(imds, signal)))
  const budget = new Budget({ clock: machineClock, share: config.ec2Share })
  const ec2 = openEc2({
    region,
    budget,
    timeoutScale: config.timeoutScale,
    onCall: (call) => log.debug(call, 'ec2 call'),
  })
  const host = await knowHost({ imds, ec2, catalog, log, signal })

  const docker = openDocker()
  const kernel = openKernel(log)
  const subnets = openSubnets({ ec2, vpcId: host.vpcId })
  const { timeoutScale } = config
  const drivers = openDrivers({ ec2, subnets, docker, kernel, host, timeoutScale })
  const defect = Promise.withResolvers<never>()
  defect.promise.catch(() => {})
  const onDefect = (error: unknown) => defect.reject(error)
  const following = subnets.follow(signal).catch(onDefect)
  /** Nothing is known of it now; whoever asked tries again in a moment. */
  const askAbout = (subnetId: string): undefined => {
    subnets.prepare([subnetId], signal).catch((error) => {
      if (!(error instanceof Failure)) onDefect(error)
      else log.warn({ subnet: subnetId, code: error.code }, sentence(error))
    })
  }
  const placement: PlacementFacts = {
    host,
    journal,
    foreignIndices: await foreignIndices({ ec2, host, journal, catalog, log, signal }),
    subnet: (id) => subnets.known(id) ?? askAbout(id),
  }
  const runner = new Runner({
    journal,
    drivers,
    choose: (entry, row) => choose(placement, entry, row),
    clock: machineClock,
    deadlineMs: scaled(DEADLINE_MS, timeoutScale),
    onDefect,
    passing: dieAt(process.env.ENID_DIE_AT),
  })
  const { instanceId } = host
  const reconcile = new Reconcile({
    journal,
    instanceId,
    journalSince: journalSince(catalog),
    survey: openSurvey({ ec2, docker, kernel, instanceId }),
    orphans: openOrphans({ ec2, docker, kernel, instanceId }),
    tell: (id, event) => runner.tell(id, event),
    clock: machineClock,
    log,
    onDefect,
    times: scaled(SWEEP_MS, config.sweepScale),
  })
  const orders: Orders = {
    host,
    prepare: (ids) => subnets.prepare(ids, signal),
    room: (ids) => room(placement, ids),
    slotsUsed: () => slotsUsed(placement),
    start: (id) => runner.advance(id),
    stop: (id, stop) => runner.stop(id, stop),
    waiting: (id) => [...runner.waiting(id), ...budget.waiting(id)],
    budget: () => budget.view(),
    planSweep: () => reconcile.plan(),
    sweep: () => reconcile.sweep(),
    logs: (id, container, lines) => logsOf({ journal, docker }, id, container, lines),
  }
  const api = await openApi({ orders, journal, catalog, version: enid.version })

  runner.resume()
  reconcile.start()
  const watching = watchContainers(
    {
      docker,
      instanceId: host.instanceId,
      onEvent: (seen) => {
        const event = eventOf(journal, seen)
        if (event !== undefined) runner.tell(seen.holderId, event)
      },
      onLost: (failure) => log.warn({ code: failure.code }, `dockerd: ${sentence(failure)}`),
    },
    signal,
  ).catch(onDefect)
  const tell = runner.tell.bind(runner)
  const endLinks = watchLinks({ journal, kernel, host, clock: machineClock, tell, onDefect })
  const pruning = setInterval(
    () => prune(journal, catalog, config.retentionMs, Date.now()),
    PRUNE_EVERY_MS,
  )

  await api.listenUnix(config.socket)
  if (config.listen !== undefined) await api.listenTcp(config.listen.host, config.listen.port)
  sdNotify('READY=1')
  const watchdogMs = watchdogIntervalMs()
  const dog = watchdogMs && setInterval(() => sdNotify('WATCHDOG=1'), watchdogMs)
  log.info({ instance: host.instanceId, socket: config.socket, listen: config.listen }, 'ready')

  const over = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
  try {
    await Promise.race([over, defect.promise])
  } finally {
    sdNotify('STOPPING=1')
    clearInterval(pruning)
    if (dog) clearInterval(dog)
    endLinks()
    await api.close()
    await reconcile.close()
    await runner.close()
    if (signal.aborted) await Promise.all([watching, following])
    await kernel.close()
    ec2.close()
    db.close()
    log.info({}, 'stopped; tasks go on')
  }
}

/** When this state file was begun, milliseconds since the epoch. What runs since before is not its. */
function journalSince(catalog: Catalog): number {
  const since = catalog.fact('journalSince') ?? String(Date.now())
  catalog.putFact('journalSince', since)
  return Number(since)
}

/** Whoever answers on our socket is an agent: two of them would fight over every task. */
async function refuseSecondAgent(socket: string): Promise<void> {
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

const scaled = <T extends Record<string, number>>(all: T, scale: number): T =>
  Object.fromEntries(Object.entries(all).map(([key, ms]) => [key, ms * scale])) as T
