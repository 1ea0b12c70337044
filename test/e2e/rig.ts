// A lab and an agent as users run them, each a process of its own with its own name, ports and
// folders; AWS clients that know of them only by their endpoints; and a look from outside at what
// is there: EC2, Docker, links, namespaces, nftables.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecurityGroup } from '@aws-sdk/client-ec2'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2'
import type { RegisterTaskDefinitionCommandInput, Task } from '@aws-sdk/client-ecs'
import {
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import { leftovers } from '../../scripts/demo/leftovers.ts'
import { must, program } from '../../scripts/demo/program.ts'
import { importTestImage } from '../drivers/test-image.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

/** A process of ours and the file of its words. */
export type Child = { process: ChildProcess; log: string }

/** A group that lets everything out and in only what its rules say. */
export type Ingress = { port: number; fromGroup?: string; cidr?: string; cidr6?: string }

export class Rig {
  readonly ec2: EC2Client
  readonly ecs: ECSClient
  readonly env: Record<string, string>
  image = ''
  #lab: Child
  #agent: Child | undefined
  instanceId = ''
  /** What the agent is started by, if not directly; it has to end in an exec. */
  launcher: readonly string[] = []
  readonly #macs: string[] = []
  readonly #netnsInodes: number[] = []
  readonly #folder: string

  private constructor(folder: string, lab: Child, env: Record<string, string>) {
    this.#folder = folder
    this.#lab = lab
    this.env = env
    const region = env.AWS_REGION ?? ''
    this.ec2 = new EC2Client({ region, credentials, endpoint: env.AWS_ENDPOINT_URL_EC2 ?? '' })
    this.ecs = new ECSClient({ region, credentials, endpoint: this.ecsUrl })
  }

  /** Starts a lab (of this instance type) and an agent. */
  static async open(instanceType = 'lab.unlimited'): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), 'enid-e2e-'))
    const name = `e2e${randomBytes(2).toString('hex')}`
    const port = await freePort()
    const flags = [
      '--name',
      name,
      '--port',
      String(port),
      '--instance-type',
      instanceType,
      '--fresh',
    ]
    const lab = start(folder, 'lab', ['lab', ...flags], {})
    const env = await until(lab, async () => {
      const { code, stdout } = await program(ENID, ['lab', 'env', '--name', name, '--json'])
      return code === 0 ? (JSON.parse(stdout) as Record<string, string>) : undefined
    })
    const rig = new Rig(folder, lab, {
      ...env,
      ENID_LAB: name,
      ENID_STATE_DIR: join(folder, 'state'),
      ENID_SOCKET: join(folder, 'enid.sock'),
      ENID_LISTEN: `127.0.0.1:${await freePort()}`,
      // The test's images are here and nowhere else: nobody outside is asked.
      ENID_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
    })
    rig.image = await importTestImage()
    const { Reservations = [] } = await rig.ec2.send(new DescribeInstancesCommand({}))
    rig.instanceId = Reservations[0]?.Instances?.[0]?.InstanceId ?? fail('no instance')
    await rig.startAgent()
    return rig
  }

  get ecsUrl(): string {
    return `http://${this.env.ENID_LISTEN}`
  }

  get agentLog(): string {
    return readFileSync(join(this.#folder, 'agent.log'), 'utf8')
  }

  /** Starts the agent; `fault` names a point (agent/fault-point.ts) at which it is to die. */
  async startAgent(fault?: string): Promise<void> {
    const env = fault === undefined ? this.env : { ...this.env, ENID_DIE_AT: fault }
    const agent = start(this.#folder, 'agent', ['agent'], env, this.launcher)
    this.#agent = agent
    await until(agent, async () => {
      const { code } = await program(ENID, ['ps'], { env: this.env })
      return code === 0 ? true : undefined
    })
  }

  /** Ends the agent: SIGTERM as systemd would, SIGKILL as a crash would. */
  async endAgent(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const agent = this.#agent
    this.#agent = undefined
    return agent === undefined ? null : await end(agent, signal)
  }

  /** The CPU time that the agent has used, all its threads, milliseconds. */
  agentCpuMs(): number {
    const stat = readFileSync(`/proc/${this.#agent?.process.pid}/stat`, 'utf8')
    // After the name, which may hold anything: state is field 3, utime 14, stime 15, in 10 ms.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return 10 * (Number(fields[11]) + Number(fields[12]))
  }

  /** Stops the agent for the time of `work`, as a machine that is too busy would. */
  async pauseAgent(work: () => Promise<void>): Promise<void> {
    const agent = this.#agent?.process ?? fail('no agent')
    agent.kill('SIGSTOP')
    try {
      await work()
    } finally {
      agent.kill('SIGCONT')
    }
  }

  /** Waits until the agent is dead by its own hand. Throws when it lives on. */
  async agentDeath(timeoutMs = 60_000): Promise<void> {
    const agent = this.#agent?.process
    const deadline = performance.now() + timeoutMs
    while (agent?.exitCode === null && agent.signalCode === null) {
      if (performance.now() > deadline) fail('the agent did not die')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    this.#agent = undefined
  }

  /** Ends the agent and the lab, and throws away their folder. */
  async close(): Promise<void> {
    await this.endAgent('SIGTERM')
    await end(this.#lab, 'SIGTERM')
    await program('docker', ['rmi', this.image])
    rmSync(this.#folder, { recursive: true, force: true })
    rmSync(`/run/enid/${this.instanceId}.lock`, { force: true })
  }

  /** Runs `enid …` against this agent and lab. */
  enid(...args: string[]) {
    return program(ENID, args, { env: this.env })
  }

  /** The same with settings of its own; ended after ten seconds. */
  enidWith(env: Record<string, string>, ...args: string[]) {
    return program(ENID, args, { env: { ...this.env, ...env }, timeoutMs: 20_000 })
  }

  /** Switches a fault of the lab on, as `enid lab fault add` does. */
  async fault(wish: { readonly name: string } & Record<string, unknown>): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(wish)
    const url = `${this.env.AWS_ENDPOINT_URL_EC2}/lab/faults`
    const answer = await fetch(url, { method: 'POST', headers, body })
    if (!answer.ok) fail(`fault ${wish.name}: ${await answer.text()}`)
  }

  async subnetId(zone = 'a'): Promise<string> {
    const { Subnets = [] } = await this.ec2.send(new DescribeSubnetsCommand({}))
    const found = Subnets.find(({ AvailabilityZone }) => AvailabilityZone?.endsWith(zone))
    return found?.SubnetId ?? fail(`no subnet in zone ${zone}`)
  }

  async group(name: string, ...ingress: Ingress[]): Promise<string> {
    const { Vpcs = [] } = await this.ec2.send(new DescribeVpcsCommand({}))
    const VpcId = Vpcs[0]?.VpcId ?? fail('no VPC')
    const made = new CreateSecurityGroupCommand({ GroupName: name, Description: name, VpcId })
    const { GroupId } = (await this.ec2.send(made)) as SecurityGroup
    for (const { port, fromGroup, cidr, cidr6 } of ingress) {
      const permission = {
        IpProtocol: 'tcp',
        FromPort: port,
        ToPort: port,
        ...(fromGroup ? { UserIdGroupPairs: [{ GroupId: fromGroup }] } : {}),
        ...(cidr ? { IpRanges: [{ CidrIp: cidr }] } : {}),
        ...(cidr6 ? { Ipv6Ranges: [{ CidrIpv6: cidr6 }] } : {}),
      }
      await this.ec2.send(
        new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [permission] }),
      )
    }
    return GroupId ?? fail('no group')
  }

  /** Registers a definition of one container, `app`, that runs `line` in busybox's shell. */
  async define(
    family: string,
    line: string,
    change: Partial<
      NonNullable<RegisterTaskDefinitionCommandInput['containerDefinitions']>[0]
    > = {},
    more: Partial<RegisterTaskDefinitionCommandInput> = {},
  ): Promise<string> {
    const container = {
      name: 'app',
      image: this.image,
      memory: 64,
      // busybox's programs do not hear SIGTERM as process 1: Docker kills them after this.
      stopTimeout: 1,
      command: ['/busybox', 'sh', '-c', line],
      ...change,
    }
    await this.ecs.send(
      new RegisterTaskDefinitionCommand({
        family,
        networkMode: 'awsvpc',
        containerDefinitions: [container],
        ...more,
      }),
    )
    return family
  }

  /** Runs tasks of this family in the host's zone; their ids. The same token, the same tasks. */
  async run(family: string, groups: string[], count = 1, clientToken?: string): Promise<string[]> {
    const subnets = [await this.subnetId()]
    const { tasks = [], failures = [] } = await this.ecs.send(
      new RunTaskCommand({
        taskDefinition: family,
        count,
        ...(clientToken === undefined ? {} : { clientToken }),
        networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups: groups } },
      }),
    )
    if (failures.length > 0) fail(JSON.stringify(failures))
    return tasks.map(({ taskArn = '' }) => taskArn.split('/').at(-1) ?? '')
  }

  async task(id: string): Promise<Task> {
    const { tasks = [] } = await this.ecs.send(new DescribeTasksCommand({ tasks: [id] }))
    return tasks[0] ?? fail(`no task ${id}`)
  }

  /** Waits until the task says so. Throws, with all that is known of it, when it stops before or is late. */
  async waitFor(id: string, status: string, timeoutMs = 90_000): Promise<Task> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const task = await this.task(id)
      if (task.lastStatus === status) {
        if (status === 'RUNNING') await this.#remember(id, task)
        return task
      }
      const isOver = task.lastStatus === 'STOPPED' || performance.now() > deadline
      if (isOver) {
        const { stdout } = await this.enid('describe', id)
        fail(`${id} is ${task.lastStatus}, not ${status}: ${task.stoppedReason}\n${stdout}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Containers of this rig's agent, running or not. */
  async containers(): Promise<string[]> {
    const filter = `label=enid:instance=${this.instanceId}`
    const ids = await must('docker', ['ps', '--all', '--quiet', '--filter', filter])
    return ids.split('\n').filter((id) => id !== '')
  }

  /** What of this lab and its tasks is on the host, once everything should be gone. */
  async leftovers(): Promise<string[]> {
    const instanceId = this.instanceId
    const labName = this.env.ENID_LAB ?? ''
    return leftovers({ instanceId, macs: this.#macs, netnsInodes: this.#netnsInodes, labName })
  }

  async #remember(id: string, task: Task): Promise<void> {
    this.#macs.push(fact(task, 'macAddress'))
    this.#netnsInodes.push(statSync(await this.netns(id)).ino)
  }

  async stop(id: string, reason?: string): Promise<void> {
    await this.ecs.send(new StopTaskCommand({ task: id, ...(reason ? { reason } : {}) }))
  }

  async stopAndWait(...ids: string[]): Promise<void> {
    for (const id of ids) await this.stop(id)
    for (const id of ids) await this.waitFor(id, 'STOPPED', 120_000)
  }

  /** What runs in the task's namespace, from outside the task: `nsenter` by the pause's process. */
  async inside(id: string, ...command: string[]) {
    return program('nsenter', [`--net=${await this.netns(id)}`, ...command], { timeoutMs: 20_000 })
  }

  /** The path of a running task's namespace. */
  async netns(id: string): Promise<string> {
    const pause = await this.containerId(id, 'sandbox')
    const pid = await must('docker', ['inspect', '--format', '{{.State.Pid}}', pause])
    return `/proc/${pid.trim()}/ns/net`
  }

  /** The agent's own way into it. */
  way = (id: string): string => join(this.env.ENID_STATE_DIR ?? '', 'tasks', id, 'netns')

  async containerId(id: string, row: string): Promise<string> {
    const filters = [`label=enid:holder=${id}`, `label=enid:row=${row}`]
    const flags = filters.flatMap((filter) => ['--filter', filter])
    const found = await must('docker', ['ps', '--all', '--quiet', '--no-trunc', ...flags])
    return found.trim() || fail(`no container for ${row} of ${id}`)
  }

  /** ENIs beside the instance's own, as the lab's EC2 tells it. */
  async enis(): Promise<string[]> {
    const { NetworkInterfaces = [] } = await this.ec2.send(new DescribeNetworkInterfacesCommand({}))
    return NetworkInterfaces.filter(({ Attachment }) => Attachment?.DeviceIndex !== 0).map(
      ({ NetworkInterfaceId }) => NetworkInterfaceId ?? '',
    )
  }
}

/** One fact of a task's attachment, such as `privateIPv4Address`. */
export const fact = (task: Task, name: string): string =>
  task.attachments?.[0]?.details?.find((d) => d.name === name)?.value ?? fail(`no ${name}`)

function fail(message: string): never {
  throw new Error(message)
}

/** Starts `enid …` in the background. */
export function start(
  folder: string,
  name: string,
  args: string[],
  env: Record<string, string>,
  launcher: readonly string[] = [],
): Child {
  const log = join(folder, `${name}.log`)
  const file = openSync(log, 'a')
  // A test run that is broken off takes its labs and agents along.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...launcher, ENID, ...args], {
    stdio: ['ignore', file, file],
    env: { ...process.env, ...env },
  })
  closeSync(file)
  return { process: child, log }
}

/** Ends a process and waits; its exit code. */
export async function end(
  { process: child }: Child,
  signal: NodeJS.Signals,
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
    await gone
    clearTimeout(timer)
  }
  return child.exitCode
}

/** Asks until there is an answer. Throws, with its words, when the process ends or is too late. */
export async function until<T>({ process: child, log }: Child, ask: () => Promise<T | undefined>) {
  const deadline = performance.now() + 120_000
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return fail(`it does not come up:\n${readFileSync(log, 'utf8').slice(-2000)}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
