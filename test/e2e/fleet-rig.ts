// A lab with hosts of its own, each with its dockerd and an agent, all as users start them: `enid lab
// host add --docker`, `enid lab host exec NAME -- enid agent`. Each host is looked at from outside:
// by EC2, by its Docker's socket, by its task's namespace.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  EC2Client,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import {
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { must, program } from '../../scripts/demo/program.ts'
import { importTestImage } from '../drivers/test-image.ts'
import { type Child, end, start, until } from './rig.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

/** A host as `enid lab host list --json` tells it. */
export type HostFacts = {
  readonly name: string
  readonly instanceId: string
  readonly instanceType: string
  readonly state: string
  readonly netns: string
  readonly pid?: number
  readonly eniCount: number
  readonly dockerd?: { readonly pid: number; readonly running: boolean; readonly log: string }
}

/** A lab and its hosts. */
export class Fleet {
  readonly name: string
  readonly ec2: EC2Client
  readonly #folder: string
  readonly #lab: Child
  #subnetId = ''
  #vpcId = ''

  private constructor(name: string, folder: string, lab: Child, endpoint: string) {
    this.name = name
    this.#folder = folder
    this.#lab = lab
    this.ec2 = new EC2Client({ region: 'us-west-2', credentials, endpoint })
  }

  static async open(): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), 'enid-fleet-'))
    const name = `fleet${randomBytes(2).toString('hex')}`
    const lab = start(folder, 'lab', ['lab', '--name', name, '--port', '0'], {})
    const env = await until(lab, async () => {
      const { code, stdout } = await program(ENID, ['lab', 'env', '--name', name, '--json'])
      return code === 0 ? (JSON.parse(stdout) as Record<string, string>) : undefined
    })
    const fleet = new Fleet(name, folder, lab, env.AWS_ENDPOINT_URL_EC2 ?? '')
    const { Subnets: [subnet] = [] } = await fleet.ec2.send(
      new DescribeSubnetsCommand({
        Filters: [{ Name: 'availability-zone', Values: ['us-west-2a'] }],
      }),
    )
    fleet.#subnetId = subnet?.SubnetId ?? ''
    fleet.#vpcId = subnet?.VpcId ?? ''
    return fleet
  }

  /** `enid lab host …`, which must succeed. */
  async host(...args: string[]): Promise<string> {
    return await must(ENID, ['lab', 'host', '--name', this.name, ...args])
  }

  async list(): Promise<HostFacts[]> {
    return (JSON.parse(await this.host('list', '--json')) as { hosts: HostFacts[] }).hosts
  }

  /** Adds a host with a dockerd, an image and an agent. */
  async add(name: string, type: string): Promise<FleetHost> {
    const flags = ['--type', type, '--docker', '--json']
    const facts = JSON.parse(await this.host('add', name, ...flags)) as HostFacts
    const host = new FleetHost(this, facts, this.#folder, this.#subnetId)
    await host.begin()
    return host
  }

  async group(name: string, port?: number, fromGroup?: string): Promise<string> {
    const { GroupId = '' } = await this.ec2.send(
      new CreateSecurityGroupCommand({ GroupName: name, Description: name, VpcId: this.#vpcId }),
    )
    if (port === undefined) return GroupId
    const rule = { IpProtocol: 'tcp', FromPort: port, ToPort: port }
    const IpPermissions = [{ ...rule, UserIdGroupPairs: [{ GroupId: fromGroup }] }]
    await this.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }))
    return GroupId
  }

  /** The ENIs attached to an instance beside its own, by EC2. */
  async enisOf({ instanceId }: HostFacts): Promise<NetworkInterface[]> {
    const { NetworkInterfaces = [] } = await this.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [{ Name: 'attachment.instance-id', Values: [instanceId] }],
      }),
    )
    return NetworkInterfaces.filter(({ Attachment }) => Attachment?.DeviceIndex !== 0)
  }

  async close(): Promise<void> {
    this.ec2.destroy()
    await end(this.#lab, 'SIGTERM')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A host, its Docker and its agent, each reached by a socket in the host's own /run. */
export class FleetHost {
  readonly facts: HostFacts
  readonly #fleet: Fleet
  readonly #folder: string
  readonly #subnetId: string
  readonly #ecs: ECSClient
  #image = ''
  #agent: Child | undefined
  /** The length of what earlier agents said. */
  #saidBefore = 0

  constructor(fleet: Fleet, facts: HostFacts, folder: string, subnetId: string) {
    this.#fleet = fleet
    this.facts = facts
    this.#folder = folder
    this.#subnetId = subnetId
    const toSocket = { keepAlive: true, socketPath: this.path('/run/enid/enid.sock') }
    const requestHandler = new NodeHttpHandler({ httpAgent: new HttpAgent(toSocket) })
    const endpoint = 'http://127.0.0.1'
    this.#ecs = new ECSClient({ region: 'us-west-2', credentials, endpoint, requestHandler })
  }

  /** A path of the host, from outside. */
  path = (inside: string): string => `/proc/${this.facts.pid}/root${inside}`

  async begin(): Promise<void> {
    this.#image = await importTestImage(`unix://${this.path('/run/docker.sock')}`)
    await this.startAgent()
  }

  /** `enid lab host exec NAME -- enid agent`, its sweep a thousand times as often. */
  async startAgent(): Promise<void> {
    const { name } = this.facts
    const exec = ['lab', 'host', 'exec', name, '--name', this.#fleet.name, '--', ENID, 'agent']
    const agent = start(this.#folder, name, exec, { ENID_SWEEP_SCALE: '0.001' })
    this.#agent = agent
    await until(agent, async () => {
      const said = readFileSync(agent.log, 'utf8')
      return said.slice(this.#saidBefore).includes('"msg":"ready"') ? true : undefined
    })
    this.#saidBefore = readFileSync(agent.log, 'utf8').length
  }

  /** Kills the agent itself, not the command that brought it onto the host. */
  async killAgent(): Promise<void> {
    const enter = ['--target', String(this.facts.pid), '--pid', '--mount', '--']
    const pids = await must('nsenter', [...enter, 'pgrep', '--full', 'cli/main.ts agent'])
    await must('nsenter', [...enter, 'kill', '-KILL', ...pids.trim().split('\n')])
    if (this.#agent !== undefined) await end(this.#agent, 'SIGTERM')
  }

  /** A command on the host, as `enid lab host exec` runs it. */
  exec(...command: string[]): Promise<string> {
    return this.#fleet.host('exec', this.facts.name, '--', ...command)
  }

  async run(line: string, groups: string[]): Promise<{ id: string; failures: string[] }> {
    const family = `task${randomBytes(3).toString('hex')}`
    await this.#ecs.send(
      new RegisterTaskDefinitionCommand({
        family,
        networkMode: 'awsvpc',
        containerDefinitions: [
          {
            name: 'app',
            image: this.#image,
            memory: 64,
            stopTimeout: 1,
            command: ['/busybox', 'sh', '-c', line],
          },
        ],
      }),
    )
    const awsvpcConfiguration = { subnets: [this.#subnetId], securityGroups: groups }
    const { tasks = [], failures = [] } = await this.#ecs.send(
      new RunTaskCommand({ taskDefinition: family, networkConfiguration: { awsvpcConfiguration } }),
    )
    const id = tasks[0]?.taskArn?.split('/').at(-1) ?? ''
    return { id, failures: failures.map(({ reason = '' }) => reason) }
  }

  async task(id: string): Promise<Task | undefined> {
    const { tasks = [] } = await this.#ecs.send(new DescribeTasksCommand({ tasks: [id] }))
    return tasks[0]
  }

  async waitFor(id: string, status: string): Promise<Task> {
    const deadline = performance.now() + 40_000
    for (;;) {
      const task = await this.task(id)
      if (task?.lastStatus === status) return task
      if (task?.lastStatus === 'STOPPED' || performance.now() > deadline) {
        throw new Error(`${id} is ${task?.lastStatus}, not ${status}: ${task?.stoppedReason}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async stop(id: string): Promise<void> {
    await this.#ecs.send(new StopTaskCommand({ task: id }))
    await this.waitFor(id, 'STOPPED')
  }

  /** A command in a task's network namespace. */
  async inside(id: string, ...command: string[]) {
    const pid = await this.pausePid(id)
    const enter = ['--target', String(this.facts.pid), '--mount', '--pid', '--']
    const net = ['nsenter', '--target', pid, '--net', '--', ...command]
    return program('nsenter', [...enter, ...net], { timeoutMs: 10_000 })
  }

  /** Process 1 of a task's pause container, as the host numbers it. */
  async pausePid(id: string): Promise<string> {
    const docker = (...args: string[]) =>
      must('docker', ['--host', `unix://${this.path('/run/docker.sock')}`, ...args])
    const filters = [`label=enid:holder=${id}`, 'label=enid:row=sandbox']
    const flags = filters.flatMap((filter) => ['--filter', filter])
    const found = (await docker('ps', '--quiet', ...flags)).trim()
    return (await docker('inspect', '--format', '{{.State.Pid}}', found)).trim()
  }
}
