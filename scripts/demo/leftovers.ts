// What is on this host that a task or a lab could leave behind, as the kernel and Docker tell it.
// Taken before the demo starts and compared when it is over; nothing here asks enid.

import { readdirSync } from 'node:fs'
import { must } from './program.ts'

/** Names of what is there, by kind. */
export type Inventory = {
  readonly links: readonly string[]
  readonly namespaces: readonly string[]
  readonly 'nft tables': readonly string[]
  readonly containers: readonly string[]
}

/** What is on this host now. */
export async function takeInventory(): Promise<Inventory> {
  const [links, tables, containers] = await Promise.all([
    must('ip', ['-j', 'link']),
    must('nft', ['-j', 'list', 'tables']),
    must('docker', ['ps', '--all', '--quiet', '--no-trunc']),
  ])
  return {
    links: (JSON.parse(links) as { ifname: string }[]).map(({ ifname }) => ifname).sort(),
    namespaces: ['/run/netns', '/run/docker/netns'].flatMap(namesIn).sort(),
    'nft tables': tablesIn(tables),
    containers: containers.split('\n').filter(Boolean).sort(),
  }
}

/** What is there after and was not before, by kind; empty where nothing is left. */
export function leftovers(before: Inventory, after: Inventory): string[] {
  return Object.entries(after).flatMap(([kind, names]) => {
    const known = before[kind as keyof Inventory]
    const more = names.filter((name) => !known.includes(name))
    return more.length === 0 ? [] : [`${kind} ${more.join(', ')}`]
  })
}

function namesIn(folder: string): string[] {
  try {
    // `default` is Docker's own, for the host; it comes with the first container.
    return readdirSync(folder)
      .filter((name) => name !== 'default')
      .map((name) => `${folder}/${name}`)
  } catch {
    return []
  }
}

function tablesIn(json: string): string[] {
  const { nftables } = JSON.parse(json) as {
    nftables: { table?: { family: string; name: string } }[]
  }
  return nftables
    .flatMap(({ table }) => (table === undefined ? [] : [`${table.family} ${table.name}`]))
    .sort()
}
