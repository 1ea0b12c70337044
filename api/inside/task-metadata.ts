// A task and its containers as the task endpoint describes them, versions 3 and 4: ECS's words
// (developer guide, "Task metadata endpoint version 4"), from the journal and from what Docker shows.

import ipaddr from 'ipaddr.js'
import type { Details } from '../../agent/drivers/driver.ts'
import type { Inspected } from '../../agent/orders.ts'
import { nameServersOf } from '../../state/name-servers.ts'
import type { CgroupSpec, ContainerSpec } from '../../state/spec.ts'
import { containerStatus, lastStatus } from '../../state/status.ts'
import type { Api, Task } from '../api.ts'
import { clusterArn, containerArn, taskArn } from '../arn.ts'
import { containerHealth, detailsOf } from '../task-view.ts'

/** Which edition of the endpoint was asked: 4 says more of networks than 3 did. */
export type Edition = 3 | 4

/** What Docker shows, by the container's name in the task. */
export type Seen = ReadonlyMap<string, Inspected>

/** The task, as `/task` answers it. */
export function taskMetadata(api: Api, task: Task, seen: Seen, edition: Edition): object {
  const { entry, asked } = task
  const { holder, timeline, id } = entry
  const { host } = api.orders
  const moment = (at: number | undefined) => (at === undefined ? undefined : instant(at))
  return defined({
    Cluster: clusterArn(host, asked.cluster),
    TaskARN: taskArn(host, asked.cluster, id),
    Family: asked.family,
    Revision: String(asked.revision),
    DesiredStatus: holder.desired === 'running' ? 'RUNNING' : 'STOPPED',
    KnownStatus: lastStatus(holder),
    Limits: limitsOf(holder.spec.cgroup),
    PullStartedAt: moment(timeline.pullStartedAt),
    PullStoppedAt: moment(timeline.pullStoppedAt),
    ExecutionStoppedAt: moment(timeline.executionStoppedAt),
    AvailabilityZone: host.availabilityZone,
    LaunchType: 'EC2',
    ...(edition === 4 && {
      VPCID: host.vpcId,
      ServiceName: /^service:(.*)$/.exec(asked.group)?.[1],
      Group: asked.group,
    }),
    Containers: holder.spec.containers.map((spec) => containerOf(api, task, spec, seen, edition)),
  })
}

/** Those of the task as a whole, CPU in vCPUs; absent where it has none. */
function limitsOf({ cpuUnits, memoryMiB }: CgroupSpec = {}): object | undefined {
  if (cpuUnits === undefined && memoryMiB === undefined) return undefined
  return defined({
    CPU: cpuUnits === undefined ? undefined : cpuUnits / 1024,
    Memory: memoryMiB,
  })
}

/** One container, as the endpoint's own path answers it; undefined where the task has none so named. */
export function containerMetadata(
  api: Api,
  task: Task,
  name: string,
  seen: Seen,
  edition: Edition,
): object | undefined {
  const spec = task.entry.holder.spec.containers.find((one) => one.name === name)
  return spec && containerOf(api, task, spec, seen, edition)
}

function containerOf(
  api: Api,
  { entry, asked }: Task,
  spec: ContainerSpec,
  seen: Seen,
  edition: Edition,
): object {
  const { id, holder } = entry
  const { name } = spec
  const shown = seen.get(name)
  const facts = holder.facts[name] ?? {}
  const at = holder.spec.containers.indexOf(spec)
  return defined({
    DockerId: shown?.dockerId ?? detailsOf(holder, 'container', `container:${name}`)?.containerId,
    Name: name,
    DockerName: shown?.dockerName,
    Image: spec.image,
    ImageID: shown?.imageId ?? detailsOf(holder, 'image', `image:${name}`)?.imageId,
    Labels: shown?.labels ?? {},
    DesiredStatus: holder.desired === 'running' ? 'RUNNING' : 'STOPPED',
    KnownStatus: containerStatus(holder, name),
    ExitCode: facts.exitCode,
    Limits: defined({
      CPU: asked.cpu[at] ?? 0,
      Memory: spec.memoryMiB ?? spec.memoryReservationMiB,
    }),
    CreatedAt: shown?.createdAt,
    StartedAt: shown?.startedAt,
    FinishedAt: shown?.finishedAt,
    Type: 'NORMAL',
    Health: healthOf(holder, spec, shown),
    Volumes: volumesOf(shown),
    LogDriver: shown?.log.driver,
    LogOptions: logOptions(spec, shown),
    ContainerARN: containerArn(api.orders.host, asked.cluster, id, name),
    Networks: holder.spec.enis.flatMap((_, n) => networkOf(api, { entry, asked }, n, edition)),
    ...(edition === 4 && spec.restart && { RestartCount: facts.restartCount ?? 0 }),
  })
}

function healthOf(
  holder: Task['entry']['holder'],
  spec: ContainerSpec,
  shown: Inspected | undefined,
): object | undefined {
  if (spec.healthCheck === undefined) return undefined
  return defined({
    status: containerHealth(holder, spec.name),
    statusSince: shown?.check?.at,
    exitCode: shown?.check?.exitCode,
    output: shown?.check?.output,
  })
}

/** Without those that were fetched as secrets: Docker shows them, we do not. */
function logOptions({ log }: ContainerSpec, shown: Inspected | undefined): object | undefined {
  const secret = new Set(log?.secretOptions?.map(({ name }) => name))
  const open = Object.entries(shown?.log.options ?? {}).filter(([name]) => !secret.has(name))
  return open.length > 0 ? Object.fromEntries(open) : undefined
}

function volumesOf(shown: Inspected | undefined): object[] | undefined {
  if (shown === undefined || shown.mounts.length === 0) return undefined
  return shown.mounts.map(({ name, source, destination }) =>
    defined({ DockerName: name, Source: source, Destination: destination }),
  )
}

/** One ENI of the task. Edition 3 knew of its addresses alone. */
function networkOf(api: Api, { entry }: Task, n: number, edition: Edition): object[] {
  const { holder } = entry
  const eni = detailsOf(holder, 'eni', `eni:${n}`)
  if (eni === undefined) return []
  const { ipv4, ipv6 } = eni
  const addresses = {
    NetworkMode: 'awsvpc',
    IPv4Addresses: ipv4 && [ipv4],
    IPv6Addresses: ipv6 && [ipv6],
  }
  if (edition === 3) return [defined(addresses)]
  const { host } = api.orders
  const first = detailsOf(holder, 'eni', 'eni:0') ?? eni
  const {
    nameServers = nameServersOf(host.nameServers, first),
    searchDomains = host.searchDomains,
  } = holder.spec.sandbox ?? {}
  return [
    defined({
      ...addresses,
      AttachmentIndex: n,
      MACAddress: eni.mac,
      ...subnetOf(eni),
      DomainNameServers: nameServers,
      DomainNameSearchList: searchDomains,
      PrivateDNSName: eni.privateDnsName,
      // Beside what ECS says: what the task's card is, and what it wears.
      NetworkInterfaceId: eni.eniId,
      SecurityGroupIds: eni.securityGroupIds,
    }),
  ]
}

/** The blocks of its subnet and the router in them. ECS names the IPv6 one where there is no other. */
function subnetOf(eni: Partial<Details['eni']>): object {
  const { ipv4, ipv4PrefixLength: length4, ipv4Gateway, ipv6, ipv6PrefixLength: length6 } = eni
  const network4 =
    ipv4 && length4 && ipaddr.IPv4.networkAddressFromCIDR(`${ipv4}/${length4}`).toString()
  const network6 =
    ipv6 && length6 ? ipaddr.IPv6.networkAddressFromCIDR(`${ipv6}/${length6}`) : undefined
  const gateway6 = ipv4 === undefined ? network6 && routerOf(network6) : undefined
  return {
    IPv4SubnetCIDRBlock: network4 && `${network4}/${length4}`,
    IPv6SubnetCIDRBlock: network6 && `${network6}/${length6}`,
    SubnetGatewayIpv4Address: ipv4Gateway && `${ipv4Gateway}/${length4}`,
    SubnetGatewayIpv6Address: gateway6 && `${gateway6}/${length6}`,
  }
}

/** The router's address in a block, its network + 1; no block is smaller than /64. */
const routerOf = ({ parts }: ipaddr.IPv6): ipaddr.IPv6 => new ipaddr.IPv6([...parts.slice(0, 7), 1])

const instant = (at: number): string => new Date(at).toISOString()

/** Without the members that say nothing. */
const defined = <T extends object>(value: T): object =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined))
