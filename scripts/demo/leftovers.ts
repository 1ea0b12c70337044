// What of the demo is still on this host, as the kernel and Docker tell it; enid is not asked. Only
// what is the demo's own counts, so that whatever else this machine is doing cannot disturb it.

import { existsSync, globSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { must, program } from './program.ts'

/** By what the demo's own things are known. */
export type Traces = {
  /** The lab's instance id: containers and links wear it. */
  readonly instanceId: string
  readonly macs: readonly string[]
  /** Numbers of the tasks' network namespaces. */
  readonly netnsInodes: readonly number[]
  /** The name of the lab, once it has to be gone as well. */
  readonly labName?: string
}

/** Everything of the demo that is still there, in words; empty where nothing is. */
export async function leftovers(traces: Traces): Promise<string[]> {
  const [links, containers, tables, namespaces] = await Promise.all([
    linksOf(traces),
    containersOf(traces),
    tableNames(),
    namespacesOf(traces),
  ])
  return [...links, ...containers, ...tables, ...namespaces, ...cgroupsOf(traces), ...labOf(traces)]
}

/** Those of its tasks: in the one hierarchy of version 2, or in those of version 1. */
function cgroupsOf({ instanceId }: Traces): string[] {
  const name = instanceId.replace('i-', '')
  const parents = ['', '*/'].map((at) => `/sys/fs/cgroup/${at}enid{,.slice}/*${name}*`)
  return instanceId === '' ? [] : globSync(parents).map((path) => `cgroup ${path}`)
}

/** Where a task's own endpoint listens, on the `lo` of every task that ran; as ECS has it, not as we do. */
const ENDPOINT = '169.254.170.2'

type Link = { ifname: string; address?: string; ifalias?: string }

async function linksOf({ instanceId, macs }: Traces): Promise<string[]> {
  const links = JSON.parse(await must('ip', ['-j', 'link'], { always: true })) as Link[]
  return links
    .filter(({ address = '', ifalias = '' }) => {
      return macs.includes(address) || (instanceId !== '' && ifalias.includes(instanceId))
    })
    .map(({ ifname }) => `link ${ifname}`)
}

async function containersOf({ instanceId }: Traces): Promise<string[]> {
  const filter = `label=enid:instance=${instanceId}`
  const ids = await must('docker', ['ps', '--all', '--quiet', '--filter', filter], {
    always: true,
  })
  return ids
    .split('\n')
    .filter((id) => id !== '')
    .map((id) => `container ${id}`)
}

/** Tables of enid's in the host's own namespace: it never needs one there. */
async function tableNames(): Promise<string[]> {
  const { nftables } = JSON.parse(
    await must('nft', ['-j', 'list', 'tables'], { always: true }),
  ) as {
    nftables: { table?: { family: string; name: string } }[]
  }
  return nftables.flatMap(({ table }) =>
    table?.name.includes('enid') ? [`nft table ${table.family} ${table.name}`] : [],
  )
}

/**
 * A namespace lives as long as a process is in it or has it open, or it is mounted under a name. The
 * number of one that is gone is soon another one's (the tests make them by the hundred, and bare ones): in one
 * of ours is our card or, once that is given back, still the endpoint's address of a task that ran.
 */
async function namespacesOf({ netnsInodes, macs }: Traces): Promise<string[]> {
  const wanted = new Map(netnsInodes.map((inode) => [`net:[${inode}]`, inode]))
  if (wanted.size === 0) return []
  const holders = globSync(['/proc/[0-9]*/ns/net', '/proc/[0-9]*/fd/*']).filter((path) =>
    wanted.has(quietly(() => readlinkSync(path)) ?? ''),
  )
  const mounts = globSync('/run/netns/*').filter((path) =>
    netnsInodes.includes(quietly(() => statSync(path).ino) ?? 0),
  )
  const isOurs = async (path: string): Promise<boolean> => {
    const enter = [`--net=${path}`, 'ip', '-j', 'address']
    const { code, stdout } = await program('nsenter', enter, { always: true })
    if (code !== 0) return existsSync(path)
    const links = JSON.parse(stdout) as (Link & { addr_info: { local?: string }[] })[]
    const cards = links.filter(({ ifname }) => ifname !== 'lo')
    if (cards.length > 0) return cards.every(({ address = '' }) => macs.includes(address))
    return links.some(({ addr_info }) => addr_info.some(({ local }) => local === ENDPOINT))
  }
  const found = [...holders, ...mounts]
  const ours = await Promise.all(found.map(isOurs))
  return found
    .filter((_, n) => ours[n])
    .map((path) => `namespace held by ${path}${commandOf(path)}`)
}

/** What the process that holds it was started as, so that whoever reads this can tell whose it is. */
function commandOf(path: string): string {
  const pid = /^\/proc\/(\d+)\//.exec(path)?.[1]
  if (pid === undefined) return ''
  const words = quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? ''
  return ` (${words.split('\0').join(' ').trim()})`
}

/** The answer, or undefined where the thing went away while it was asked for. */
function quietly<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}

function labOf({ labName }: Traces): string[] {
  if (labName === undefined) return []
  const named = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  const mine = named.filter((name) => name.startsWith(`enid-lab-${labName}`))
  const folders = [`/run/enid-lab/${labName}`, `/var/lib/enid-lab/${labName}`]
  return [...mine.map((name) => `namespace ${name}`), ...folders.filter((each) => existsSync(each))]
}
