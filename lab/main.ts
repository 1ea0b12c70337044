// The lab's composition root: store ──▶ fabric ──▶ region ──▶ IMDS, resolver, DHCP in the fabric ──▶
// server on loopback. It stays in the foreground until it is told to stop, and takes all of it down
// again in reverse, also when a step on the way up fails; but what a lab of its name left that died is
// taken over, and stays where that fails.

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { pino } from 'pino'
import { openDhcp } from './dhcp/listener.ts'
import { openResolver, resolverAddresses } from './dns/listeners.ts'
import { Resolver } from './dns/resolver.ts'
import { Upstream } from './dns/upstream.ts'
import { type FabricOptions, type LabFabric, openFabric } from './fabric/open.ts'
import { FLOW_LOG_INTERVAL_S, FlowLogFile, type FlowLogOptions } from './flows/flow-log-file.ts'
import { hostParts } from './hosts/parts.ts'
import { closeImds, openImds } from './imds/listeners.ts'
import { openInternet } from './internet.ts'
import { Lab, type Remembered } from './lab.ts'
import { emptyWorld } from './model/fresh-world.ts'
import { INSTANCE_TYPES, LAB_TYPE } from './model/instance-type.ts'
import type { World } from './model/world.ts'
import { restoreOf, survivors } from './restore.ts'
import { makeServer } from './server.ts'
import { announce, runningLab, STATE_ROOT, withdraw } from './state-file.ts'
import { STORE_ROOT, WorldStore } from './world-store.ts'

/** How a lab is started. All but the name have defaults that work. */
export type RunLabOptions = {
  /** Lower-case letters, digits and '-', at most 32. Two names, two labs. */
  readonly name?: string
  /**
   * The loopback TCP port of EC2, IMDS and the lab's own routes. 0: any free one. A lab that takes
   * over has the port that was, unless told another; at 0, if it is free.
   */
  readonly port?: number
  /** The type that this host claims to be; its limits then apply. */
  readonly instanceType?: string
  /** Begin anew: what is left of a lab of this name that died goes. */
  readonly fresh?: boolean
  /** A route from the host into the VPC: not built, and refused by name. */
  readonly hostRoute?: boolean
  /** Where flow log records go, and how often; absent: there are none. */
  readonly flowLog?: FlowLogOptions
  /** Whether the VPC's ways out lead on to the real Internet, by this host. Absent: they do not. */
  readonly internet?: boolean
  /** pino's level: `info` logs every EC2 call. */
  readonly logLevel?: string
  /** Told where the lab listens, once it is ready. */
  readonly onReady?: (ready: Ready) => void
  /** Tests bring their own. */
  readonly openFabric?: typeof openFabric
  readonly stateRoot?: string
  readonly storeRoot?: string
}

/** A lab that is up. `tookOver`: the VPC of one that died goes on. */
export type Ready = {
  readonly name: string
  readonly port: number
  readonly tookOver: boolean
  readonly eniCount: number
}

/** The port unless told otherwise. */
export const LAB_PORT = 51700

/** The name unless told otherwise. */
export const LAB_NAME = 'default'

/**
 * Runs a lab until the signal aborts or POST /lab/down is called, and resolves when nothing of it
 * is left, or all of it where it was told to keep that. Takes over what a lab of its name was that
 * died. Rejects when it cannot start, leaving what there was; the message says why and what to do.
 */
export async function runLab(options: RunLabOptions, signal: AbortSignal): Promise<void> {
  const { name = LAB_NAME, stateRoot = STATE_ROOT, storeRoot = STORE_ROOT } = options
  check(options)
  const other = runningLab(name, stateRoot)
  if (other !== undefined) {
    throw new Error(
      `a lab named '${name}' is running already: pid ${other.pid}, port ${other.port}; stop it ` +
        'with `enid lab down`, or choose another name',
    )
  }
  const log = pino({ level: options.logLevel ?? 'info', base: { lab: name } }, pino.destination(2))
  const stop = new AbortController()
  const ended = ending(AbortSignal.any([signal, stop.signal]))
  if (options.fresh === true) WorldStore.forget(name, storeRoot)
  const store = WorldStore.open(name, storeRoot)

  await using up = new AsyncDisposableStack()
  // Until this one is up, what was there before stays.
  let keep = true
  up.defer(() => (keep ? store.close() : store.end()))
  const remembered = recall(store, options)
  keep = remembered !== undefined
  const fabric = await open(options, { name, log }, remembered)
  up.defer(async () => {
    // Forgotten first: what a death on the way down leaves is then swept, not taken over.
    if (!keep) store.end()
    await (keep ? fabric.release() : fabric.close())
  })
  fabric.onEvent((event) => log.warn(event, 'a link went with its namespace'))
  const lab = await Lab.open({
    name,
    instanceType: options.instanceType ?? LAB_TYPE,
    fabric,
    log,
    remembered,
    imdsSecret: store.secret,
    keep: (before, after) => store.save(before, after),
  })
  const world = (): World => lab.region.world
  if (options.flowLog !== undefined) {
    const watched = { seeing: lab.seeing, world, log }
    const flowLog = await FlowLogFile.open(options.flowLog, watched)
    up.defer(() => flowLog.close())
  }
  const serve = (address: string, at: number, protocol?: 'tcp' | 'udp'): Promise<number> =>
    fabric.listenIn(fabric.netnsPath, address, at, protocol)
  const imds = await openImds(serve, world, lab.imds)
  up.defer(() => closeImds(imds))
  const resolver = await openResolver(serve, new Resolver(world, log), resolverAddresses(world()))
  up.defer(() => resolver.close())
  const dhcp = await openDhcp((address, at) => serve(address, at, 'udp'), world, log)
  up.defer(() => dhcp.close())
  const outside = new Resolver(world, log, new Upstream(), 'outside')
  up.defer(await openInternet(fabric, outside))
  const server = makeServer(lab, (kept) => {
    keep = kept
    stop.abort()
  })
  up.defer(() => server.close())
  up.defer(() => lab.close())
  const port = await listenAt(server, options.port, store.port)
  store.port = port
  announce(name, port, stateRoot)
  up.defer(() => withdraw(name, stateRoot))
  up.defer(() => lab.hosts.close(keep))
  await lab.hosts.serve(hostParts(lab, fabric, port))
  keep = false
  const ready = {
    name,
    port,
    tookOver: remembered !== undefined,
    eniCount: lab.region.world.enis.size,
  }
  log.info({ ...ready, instanceId: lab.host.instanceId }, 'lab ready')
  options.onReady?.(ready)
  await ended
  log.info({ keep }, 'lab stopping')
}

/** What a lab of this name was that died, without what cannot live on; undefined where there is none. */
function recall(store: WorldStore, { instanceType, name }: RunLabOptions): Remembered | undefined {
  const stored = store.load(emptyWorld(randomBytes))
  if (stored === undefined) return undefined
  const [host] = stored.fresh.instances.values()
  if (instanceType !== undefined && instanceType !== host?.instanceType) {
    throw new Error(
      `the lab '${name ?? LAB_NAME}' that died was of instance type '${host?.instanceType}', not ` +
        `'${instanceType}': leave --instance-type out to go on with it, or begin anew with --fresh`,
    )
  }
  const now = survivors(stored.now, existsSync)
  store.save(stored.now, now)
  return { ...stored, now }
}

function check({ name = LAB_NAME, port = LAB_PORT, ...options }: RunLabOptions): void {
  const { instanceType = LAB_TYPE, hostRoute = false } = options
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) {
    throw new Error(`lab name is '${name}'; use lower-case letters, digits and '-', at most 32`)
  }
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`port is ${port}; it must be 1 to 65535, or 0 for any free one`)
  }
  if (!INSTANCE_TYPES.has(instanceType)) {
    const types = [...INSTANCE_TYPES.keys()].sort().join(', ')
    throw new Error(`instance type is '${instanceType}'; the lab knows ${types}`)
  }
  const levels = [...Object.keys(pino.levels.values), 'silent']
  if (!levels.includes(options.logLevel ?? 'info')) {
    throw new Error(`ENID_LOG_LEVEL is '${options.logLevel}'; use one of ${levels.join(', ')}`)
  }
  const { intervalS = FLOW_LOG_INTERVAL_S } = options.flowLog ?? {}
  if (!Number.isInteger(intervalS) || intervalS < 1 || intervalS > 600) {
    throw new Error(`the flow log's interval is ${intervalS}; it must be 1 to 600 whole seconds`)
  }
  if (hostRoute) {
    throw new Error('the lab gives the host no route into the VPC; `enid lab exec` is inside it')
  }
}

async function open(
  { openFabric: openIt = openFabric, internet = false }: RunLabOptions,
  options: FabricOptions,
  remembered: Remembered | undefined,
): Promise<LabFabric> {
  try {
    const wish = { internet, ...options }
    if (remembered === undefined) return await openIt(wish)
    return await openIt(wish, restoreOf(remembered.now))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const what = remembered === undefined ? 'made' : 'taken over, and is left as it is'
    throw new Error(`the lab's network could not be ${what}: ${reason}`, { cause: error })
  }
}

/** Listens at the port that was asked for, else at the one that was, else at the usual one. */
async function listenAt(
  server: ReturnType<typeof makeServer>,
  asked: number | undefined,
  before: number | undefined,
): Promise<number> {
  const listen = async (port: number): Promise<number> => {
    await server.listen({ host: '127.0.0.1', port }).catch((error: unknown) => {
      throw portError(error, port)
    })
    return (server.server.address() as AddressInfo).port
  }
  if (asked === 0 && before !== undefined && (await isFree(before))) return listen(before)
  return listen(asked ?? before ?? LAB_PORT)
}

function isFree(port: number): Promise<boolean> {
  const trial = createServer()
  return new Promise((resolve) => {
    trial.once('error', () => resolve(false))
    trial.listen(port, '127.0.0.1', () => trial.close(() => resolve(true)))
  })
}

function portError(error: unknown, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== 'EADDRINUSE') return error
  return new Error(`port ${port} of 127.0.0.1 is taken; choose another with --port`, {
    cause: error,
  })
}

function ending(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
