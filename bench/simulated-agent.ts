// An agent whose tasks are simulated: the real API, journal on disk, runner, queue and placement, over
// drivers that do nothing, and take as long for it as the quickest real ones. What is timed is what the
// agent itself decides and writes. A process of its own, started by rows/many.ts:
//
//   node bench/simulated-agent.ts SOCKET STATE_DIR ─▶ "ready" on stdout

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { machineClock } from '../agent/clock.ts'
import { DEADLINE_MS } from '../agent/deadlines.ts'
import type { Drivers } from '../agent/drivers/driver.ts'
import type { Host, Orders } from '../agent/orders.ts'
import { choose, freeNow, type PlacementFacts, slotsUsed } from '../agent/placement.ts'
import { Queue } from '../agent/queue.ts'
import { Runner } from '../agent/runner.ts'
import { waitsOf } from '../agent/waits.ts'
import { openApi } from '../api/server.ts'
import { Catalog } from '../state/catalog.ts'
import { openDatabase } from '../state/database.ts'
import { Journal } from '../state/journal.ts'
import { ServiceStore } from '../state/service-store.ts'

const [socket = '', stateDir = ''] = process.argv.slice(2)

const host: Host = {
  ...{ instanceId: 'i-0123456789abcdef0', instanceType: 'lab.unlimited' },
  ...{ accountId: '123456789012', region: 'us-west-2', availabilityZone: 'us-west-2a' },
  ...{ vpcId: 'vpc-0123456789abcdef0', subnetId: 'subnet-0123456789abcdef0' },
  ...{ primaryMac: '02:00:00:00:00:01', eniCountMax: 20_000 },
  ...{ nameServers: ['10.0.0.2'], searchDomains: ['us-west-2.compute.internal'] },
}

/** What the real ones answer, for the size of what is written down. */
const DETAILS: Readonly<Record<string, object>> = {
  eni: {
    ...{ eniId: 'eni-0123456789abcdef0', mac: '02:00:00:00:00:02', ipv4: '10.0.1.35' },
    ...{ ipv4PrefixLength: 24, ipv4Gateway: '10.0.1.1', subnetId: host.subnetId },
    ...{ privateDnsName: 'ip-10-0-1-35.us-west-2.compute.internal', securityGroupIds: ['sg-1'] },
  },
  attachment: { attachmentId: 'eni-attach-0123456789abcdef0', deviceIndex: 1 },
  sandbox: { containerId: 'a'.repeat(64), netns: '/var/run/docker/netns/0123456789ab' },
  created: { containerId: 'b'.repeat(64) },
  container: { containerId: 'b'.repeat(64) },
  image: { imageId: `sha256:${'c'.repeat(64)}`, digest: `sha256:${'d'.repeat(64)}` },
  link: { ifindex: 12, mtu: 9001, gatewayMac: '02:00:00:00:00:03' },
  cgroup: { path: 'enid/i-0123456789abcdef0.0123' },
}

/** The lab's EC2 and a dockerd need some 5 ms for the least of what they are asked for. */
const taken = () => new Promise((resolve) => setTimeout(resolve, 5))

const drivers = Object.fromEntries(
  Object.keys(DEADLINE_MS).map((kind) => [
    kind,
    {
      ensure: () => taken().then(() => DETAILS[kind] ?? {}),
      release: () => taken().then(() => {}),
    },
  ]),
) as unknown as Drivers

const db = openDatabase(join(stateDir, 'enid.db'))
const journal = new Journal(db, Date.now)
const catalog = new Catalog(db, Date.now)
const services = new ServiceStore(db, Date.now)
const onDefect = (error: unknown) => {
  console.error(error)
  process.exit(1)
}
const facts: PlacementFacts = {
  ...{ host, journal: { all: () => journal.living() }, foreignIndices: new Set([0]) },
  capacity: { cpuUnits: 1e9, memoryMiB: 1e9 },
  subnet: (subnetId) => ({
    ...{ subnetId, availabilityZone: host.availabilityZone, freeAddressCount: 60_000 },
  }),
}
const runner = new Runner({
  ...{ journal, drivers, clock: machineClock, deadlineMs: DEADLINE_MS, onDefect },
  choose: (entry, row) => choose(facts, entry, row),
})
const queue = new Queue({
  ...{ journal, facts, runner, clock: machineClock, onDefect },
  isDraining: () => false,
})
const orders = {
  host,
  prepare: async () => {},
  room: (spec) => queue.room(spec),
  slotsUsed: () => slotsUsed(facts),
  capacity: () => ({ registered: facts.capacity, remaining: freeNow(facts) }),
  isQueueFull: () => queue.isFull,
  place: (spec, count) =>
    Array.from({ length: count }, () => ({ id: randomBytes(16).toString('hex'), spec })),
  spares: () => ({
    ...{ isOn: false, limit: 0, why: 'none are asked for', pools: [], leavingCount: 0 },
    ...{ givenUpCount: 0, failedCount: 0, served: { warm: 0, groups: 0, cold: 0 } },
  }),
  start: (id) => {
    queue.look()
    runner.advance(id)
  },
  stop: (id, stop) => runner.stop(id, stop),
  allWaiting: () => waitsOf([runner, queue]),
  waiting: (id) => [...runner.waiting(id), ...queue.waiting(id)],
  noticed: () => [],
  budget: () => ({ share: 1, actions: [] }),
  draining: () => undefined,
  serviceWaiting: () => undefined,
  hasRole: () => false,
  images: () => ({
    ...{ pullBehavior: 'default', pulls: { pulled: 0, failed: 0, cached: 0 }, knownCount: 0 },
    cleanup: { isOn: false, cleans: 'off', removedCount: 0 },
  }),
} satisfies Partial<Orders> as unknown as Orders

const api = await openApi({ orders, journal, catalog, services, version: '0.0.0', onDefect })
await api.listenUnix(socket)
console.log('ready')
