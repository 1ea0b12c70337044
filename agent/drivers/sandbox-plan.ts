// What Docker is asked for, for the pause container, and what stands in /etc of all that join it. Pure.
//
// Docker makes it no network: enid brings the card, and what Docker would make for a container without
// one (`none`) costs as much processor time again as the whole rest of its start (docs/decisions.md).
// What Docker would write into /etc is therefore written here.

import { nameServersOf } from '../../state/name-servers.ts'
import type { Host } from '../orders.ts'
import { parentOf } from './cgroup/path.ts'
import type { ContainerPlan } from './docker.ts'
import type { Job } from './driver.ts'
import type { EtcFiles } from './task-folder.ts'

/** sethostname(2) takes 64 bytes. A DNS name may be longer: then its first label has to do. */
const hostnameOf = (dnsName: string): string =>
  dnsName.length <= 64 ? dnsName : (dnsName.split('.', 1)[0] as string)

/** The names that the task's first address has: its own first, then that of its ENI. */
function namesOf(job: Job, host: Host): readonly [string, ...string[]] {
  const { eniId, privateDnsName } = job.details('eni', 'eni:0')
  // As EC2 names an instance in a subnet of IPv6 alone: by its id. Nobody resolves it but the task.
  const ofEni = privateDnsName ?? `${eniId}.${host.searchDomains[0] ?? 'internal'}`
  const { hostname = ofEni } = job.spec.sandbox ?? {}
  return hostname === ofEni ? [ofEni] : [hostname, ofEni]
}

/** hosts(5) as Docker begins it. */
const LOCAL_HOSTS = [
  ['127.0.0.1', 'localhost'],
  ['::1', 'localhost ip6-localhost ip6-loopback'],
  ['fe00::', 'ip6-localnet'],
  ['ff00::', 'ip6-mcastprefix'],
  ['ff02::1', 'ip6-allnodes'],
  ['ff02::2', 'ip6-allrouters'],
] as const

/** The files of /etc that every container of the task has. */
export function etcOf(job: Job, host: Host): EtcFiles {
  const { ipv4, ipv6 } = job.details('eni', 'eni:0')
  const { extraHosts = [], nameServers, searchDomains } = job.spec.sandbox ?? {}
  const names = namesOf(job, host)
  const hosts = [
    ...LOCAL_HOSTS,
    ...names.map((name) => [ipv4 ?? ipv6, name] as const),
    ...extraHosts.map(({ address, hostname }) => [address, hostname] as const),
  ]
  const search = searchDomains ?? host.searchDomains
  const servers = nameServers ?? nameServersOf(host.nameServers, { ipv4 })
  const resolv = [
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
  ]
  return {
    hosts: textOf(hosts.map((words) => words.join('\t'))),
    'resolv.conf': textOf(resolv),
    hostname: textOf([hostnameOf(names[0])]),
  }
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

/** The plan. `etcPath` says where on the host each of those files is. */
export function planOf(
  job: Job,
  host: Host,
  image: string,
  labels: Record<string, string>,
  etcPath: (name: keyof EtcFiles) => string,
): ContainerPlan {
  const { sandbox = {} } = job.spec
  const cgroup = job.known('cgroup', 'cgroup')?.path
  return {
    Image: image,
    Hostname: hostnameOf(namesOf(job, host)[0]),
    Labels: labels,
    StopSignal: 'SIGTERM',
    // The namespace is made, with `lo` up, and Docker looks at it no more.
    NetworkDisabled: true,
    HostConfig: {
      NetworkMode: 'none',
      // Docker hands them to every container that joins the network of this one.
      Mounts: (['hosts', 'resolv.conf', 'hostname'] as const).map((name) => ({
        Type: 'bind',
        Source: etcPath(name),
        Target: `/etc/${name}`,
      })),
      ...(cgroup !== undefined && { CgroupParent: parentOf(cgroup) }),
      // Others may join it; nobody does unless the task says so.
      ...(sandbox.ipc === 'task' && { IpcMode: 'shareable' }),
      Sysctls: { ...sandbox.sysctls },
      // It does nothing, so it may do nothing. Its log is never written.
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
    },
  }
}
