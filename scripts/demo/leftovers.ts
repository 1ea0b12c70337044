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
  return [...links, ...containers, ...tables, ...namespaces, ...labOf(traces)]
}

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
 * A namespace lives as long as a process is in it or has it open, or it is mounted under a name. What
 * Docker leaves in its folder for a while is an empty file, no namespace. The number of one that is
 * gone is soon another one's, which is told by its links: in one of ours is our card, or none.
 */
async function namespacesOf({ netnsInodes, macs }: Traces): Promise<string[]> {
  const wanted = new Map(netnsInodes.map((inode) => [`net:[${inode}]`, inode]))
  if (wanted.size === 0) return []
  const holders = globSync(['/proc/[0-9]*/ns/net', '/proc/[0-9]*/fd/*'])
    .filter((path) => wanted.has(quietly(() => readlinkSync(path)) ?? ''))
    .filter((path) => !isApart(Number(path.split('/')[2])))
  const mounts = globSync(['/run/netns/*', '/run/docker/netns/*']).filter((path) =>
    netnsInodes.includes(quietly(() => statSync(path).ino) ?? 0),
  )
  const isOurs = async (path: string): Promise<boolean> => {
    const enter = [`--net=${path}`, 'ip', '-j', 'link']
    const { code, stdout } = await program('nsenter', enter, { always: true })
    if (code !== 0) return existsSync(path)
    const links = (JSON.parse(stdout) as Link[]).filter(({ ifname }) => ifname !== 'lo')
    return links.every(({ address = '' }) => macs.includes(address))
  }
  const found = [...holders, ...mounts]
  const ours = await Promise.all(found.map(isOurs))
  return found.filter((_, n) => ours[n]).map((path) => `namespace held by ${path}`)
}

/**
 * Whether a process belongs to the tests' other lane (scripts/test.ts), whose namespaces get the
 * numbers of ours: all of it descends from one `unshare … apart …`, and so does what it leaves.
 */
function isApart(pid: number): boolean {
  for (let id = pid; id > 1; ) {
    const words = quietly(() => readFileSync(`/proc/${id}/cmdline`, 'utf8'))?.split('\0') ?? []
    if (words[0] === 'unshare' && words.includes('apart')) return true
    const status = quietly(() => readFileSync(`/proc/${id}/status`, 'utf8')) ?? ''
    id = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1] ?? 0)
  }
  return false
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
