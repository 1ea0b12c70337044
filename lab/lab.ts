// A lab that is up: its region and what stands around it. main.ts opens it and closes it, server.ts
// lets others at it; it knows nothing of HTTP.

import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { CallLog } from './ec2/call-log.ts'
import type { LabFabric } from './fabric/open.ts'
import { Switchboard } from './faults/switchboard.ts'
import { type Clock, Timers } from './faults/timers.ts'
import { FlowJournal } from './flows/journal.ts'
import { type CountedRule, ruleTable } from './flows/rule-table.ts'
import { Hosts } from './hosts/hosts.ts'
import { Imds } from './imds/imds.ts'
import { Tokens } from './imds/token.ts'
import { availableCount } from './model/addresses.ts'
import { emptyWorld, freshWorld } from './model/fresh-world.ts'
import { ACCOUNT_ID, type Instance, REGION, type World } from './model/world.ts'
import { Probes } from './probes.ts'
import { type FabricFailure, type Keep, Region } from './region.ts'

/** What a lab is opened with. */
export type LabOptions = {
  readonly name: string
  readonly instanceType: string
  readonly fabric: LabFabric
  readonly log: Logger
  /** What a lab of this name was when it died, in force in the fabric. Absent: a new one. */
  readonly remembered?: Remembered | undefined
  /** What IMDS tokens are signed with; absent: of this lab alone. */
  readonly imdsSecret?: Buffer
  /** Stores each change. */
  readonly keep?: Keep
  /** Tests bring their own. */
  readonly clock?: Clock
}

/** What a lab goes on from: its world, and the one that a reset goes back to. */
export type Remembered = { readonly now: World; readonly fresh: World }

/** The namespace that attached ENIs appear in: the one this process runs in. */
const HOST_NETNS = '/proc/self/ns/net'

export class Lab {
  readonly name: string
  readonly region: Region
  readonly probes: Probes
  readonly hosts: Hosts
  readonly calls = new CallLog()
  readonly faults: Switchboard
  readonly flows: FlowJournal
  readonly seeing: LabFabric['verdicts']
  readonly imds: Imds
  readonly log: Logger
  readonly startedAt = new Date()
  readonly #fabric: LabFabric
  readonly #fresh: World
  readonly #timers: Timers

  private constructor(options: LabOptions) {
    const { name, instanceType, fabric, log, remembered, imdsSecret, keep, clock } = options
    this.name = name
    this.log = log
    this.#fabric = fabric
    this.#fresh =
      remembered?.fresh ??
      freshWorld(
        { instanceType, netns: HOST_NETNS, labNetns: fabric.netnsPath },
        randomBytes,
        this.startedAt,
      )
    this.#timers = new Timers(clock)
    const failed: FabricFailure = ({ call }, error) => {
      log.error({ call, err: error }, 'the fabric refused')
    }
    const world = remembered?.now ?? emptyWorld(randomBytes)
    this.region = new Region(world, fabric, failed, this.#timers, keep)
    this.faults = new Switchboard(this.region, this.#timers, log)
    this.imds = new Imds(this.region, this.faults, new Tokens(imdsSecret))
    this.probes = new Probes(this.region, fabric)
    this.seeing = fabric.verdicts
    this.flows = new FlowJournal(() => this.region.world)
    this.seeing.on((heard) => this.flows.add(heard))
    this.hosts = new Hosts(this.region, log)
  }

  /** Brings the fresh VPC into force on an open fabric, unless one that is in force is remembered. */
  static async open(options: LabOptions): Promise<Lab> {
    const lab = new Lab(options)
    if (options.remembered === undefined) {
      await lab.region.change(() => ({ world: lab.#fresh, output: undefined }))
    }
    return lab
  }

  /** The instance that this host is. */
  get host(): Instance {
    const [host] = this.#fresh.instances.values()
    if (host === undefined) throw new Error('the lab has no instance')
    return host
  }

  /** Back to the fresh VPC, ids and all: what is plugged goes, and so do hosts, probes, counts, faults. */
  async reset(): Promise<void> {
    await this.hosts.clear()
    await this.probes.clear(this.#fresh)
    this.faults.reset()
    this.calls.clear()
    this.flows.clear()
  }

  /** Nothing more happens by itself: what was to come is called off. */
  close(): void {
    this.#timers.end()
    this.flows.close()
  }

  /** What each rule that packets meet has counted. */
  async countedRules(): Promise<CountedRule[]> {
    return ruleTable(this.region.world, await this.seeing.ruleCounts())
  }

  /** What the lab is and holds, for operators and the command. */
  status(port: number): object {
    const { world } = this.region
    const enis = [...world.enis.values()]
    const { instanceId, instanceType, zone } = this.host
    return {
      name: this.name,
      pid: process.pid,
      port,
      startedAt: this.startedAt.toISOString(),
      enforcement: 'proven', // The fabric dropped and passed probes of its own before it opened.
      netns: this.#fabric.netnsPath,
      internet: this.#fabric.ways.internet,
      accountId: ACCOUNT_ID,
      region: REGION,
      instance: { instanceId, instanceType, zone },
      vpcs: [...world.vpcs.values()].map(({ vpcId, ipv4Cidr, ipv6Cidr, isDefault }) => ({
        vpcId,
        ipv4Cidr,
        ipv6Cidr,
        isDefault,
      })),
      subnets: [...world.subnets.values()].map((subnet) => ({
        subnetId: subnet.subnetId,
        vpcId: subnet.vpcId,
        zone: subnet.zone,
        ipv4Cidr: subnet.ipv4Cidr,
        ipv6Cidr: subnet.ipv6Cidr,
        availableCount: availableCount(world, subnet),
      })),
      groups: [...world.groups.values()].map(({ groupId, name, vpcId }) => ({
        groupId,
        name,
        vpcId,
      })),
      eniCount: enis.length,
      attachedCount: enis.filter((eni) => eni.attachment?.netns !== undefined).length,
      hosts: this.hosts.list(),
      probes: this.probes.all(),
      profile: this.faults.profile,
      faults: this.faults.all().map((fault) => fault.name),
    }
  }

  /** The environment in which any AWS tool, and the agent, uses this lab and not AWS. */
  env(port: number): Record<string, string> {
    const endpoint = `http://127.0.0.1:${port}`
    return {
      AWS_ENDPOINT_URL_EC2: endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: 'enid-lab',
      AWS_SECRET_ACCESS_KEY: 'enid-lab',
      ENID_LISTEN: '127.0.0.1:51680',
      // The lab's account has this one host.
      ENID_EC2_SHARE: '1',
      AWS_ENDPOINT_URL_ECS: 'http://127.0.0.1:51680',
    }
  }
}
