// The lab's composition root: fabric ──▶ region ──▶ IMDS, resolver, DHCP in the fabric ──▶ server on
// loopback. It stays in the foreground until it is told to stop, and takes all of it down again in reverse, also
// when a step on the way up fails.

import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { openDhcp } from './dhcp/listener.ts'
import { openResolver, resolverAddresses } from './dns/listeners.ts'
import { Resolver } from './dns/resolver.ts'
import { type FabricOptions, type LabFabric, openFabric } from './fabric/open.ts'
import { FLOW_LOG_INTERVAL_S, FlowLogFile, type FlowLogOptions } from './flows/flow-log-file.ts'
import { hostParts } from './hosts/parts.ts'
import { closeImds, openImds } from './imds/listeners.ts'
import { Lab } from './lab.ts'
import { INSTANCE_TYPES, LAB_TYPE } from './model/instance-type.ts'
import type { World } from './model/world.ts'
import { makeServer } from './server.ts'
import { announce, runningLab, STATE_ROOT, withdraw } from './state-file.ts'

/** How a lab is started. All but the name have defaults that work. */
export type RunLabOptions = {
  /** Lower-case letters, digits and '-', at most 32. Two names, two labs. */
  readonly name?: string
  /** The loopback TCP port of EC2, IMDS and the lab's own routes. 0: any free one. */
  readonly port?: number
  /** The type that this host claims to be; its limits then apply. */
  readonly instanceType?: string
  /** A route from the host into the VPC: not built, and refused by name. */
  readonly hostRoute?: boolean
  /** Where flow log records go, and how often; absent: there are none. */
  readonly flowLog?: FlowLogOptions
  /** pino's level: `info` logs every EC2 call. */
  readonly logLevel?: string
  /** Told where the lab listens, once it is ready. */
  readonly onReady?: (ready: { readonly name: string; readonly port: number }) => void
  /** Tests bring their own. */
  readonly openFabric?: (options: FabricOptions) => Promise<LabFabric>
  readonly stateRoot?: string
}

/** The port unless told otherwise. */
export const LAB_PORT = 51700

/** The name unless told otherwise. */
export const LAB_NAME = 'default'

/**
 * Runs a lab until the signal aborts or POST /lab/down is called, and resolves when nothing of it
 * is left. Rejects, leaving nothing, when it cannot start; the message says why and what to do.
 */
export async function runLab(options: RunLabOptions, signal: AbortSignal): Promise<void> {
  const { name = LAB_NAME, port = LAB_PORT, instanceType = LAB_TYPE } = options
  const { stateRoot = STATE_ROOT, logLevel = 'info' } = options
  check(options)
  const other = runningLab(name, stateRoot)
  if (other !== undefined) {
    throw new Error(
      `a lab named '${name}' is running already: pid ${other.pid}, port ${other.port}; stop it ` +
        'with `enid lab down`, or choose another name',
    )
  }
  const log = pino({ level: logLevel, base: { lab: name } }, pino.destination(2))
  const stop = new AbortController()
  const ended = ending(AbortSignal.any([signal, stop.signal]))

  await using up = new AsyncDisposableStack()
  const fabric = await open(options.openFabric ?? openFabric, { name, log })
  up.defer(() => fabric.close())
  fabric.onEvent((event) => log.warn(event, 'a link went with its namespace'))
  const lab = await Lab.open({ name, instanceType, fabric, log })
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
  const server = makeServer(lab, () => stop.abort())
  up.defer(() => server.close())
  up.defer(() => lab.close())
  await server.listen({ host: '127.0.0.1', port }).catch((error: unknown) => {
    throw portError(error, port)
  })
  const listening = (server.server.address() as AddressInfo).port
  announce(name, listening, stateRoot)
  up.defer(() => withdraw(name, stateRoot))
  up.defer(() => lab.hosts.close())
  await lab.hosts.serve(hostParts(lab, fabric, listening))
  log.info({ port: listening, instanceId: lab.host.instanceId }, 'lab ready')
  options.onReady?.({ name, port: listening })
  await ended
  log.info('lab stopping')
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
  const { intervalS = FLOW_LOG_INTERVAL_S } = options.flowLog ?? {}
  if (!Number.isInteger(intervalS) || intervalS < 1 || intervalS > 600) {
    throw new Error(`the flow log's interval is ${intervalS}; it must be 1 to 600 whole seconds`)
  }
  if (hostRoute) {
    throw new Error(
      'the lab gives the host no route into the VPC; use `enid lab exec` to speak from inside it',
    )
  }
}

async function open(
  openIt: (options: FabricOptions) => Promise<LabFabric>,
  options: FabricOptions,
): Promise<LabFabric> {
  try {
    return await openIt(options)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`the lab's network could not be made: ${reason}`, { cause: error })
  }
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
