// Taking a link out of a task's namespace and back to the host, in the worker: down, without
// addresses or mark, under a name of its own. The MAC stays. Gone is success.

import { imdsTable, unblockCommands } from './imds-block.ts'
import { type World, workInside } from './inside.ts'
import { located } from './kernel-error.ts'
import type { FoundLink } from './link.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { dumpLinks, setLink } from './rtnetlink.ts'
import { decodeLink } from './rtnetlink-record.ts'
import { isCard, linkByMac } from './survey.ts'
import { makeQuiet } from './take-in.ts'

/** What giveBack needs to know. */
export type GiveBackRequest = { readonly mac: string; readonly netns: string }

/**
 * The name a link has in the host after it came back: from its MAC, so that two never collide (two
 * cards that were both `eth0` would), and outside `en*` and `eth*`, which networkd may take up.
 */
export function homeName(mac: string): string {
  return `out${mac.replaceAll(':', '')}`
}

/**
 * Brings the link home. Answers where it is now, undefined when there is no such link any more. A
 * held namespace is let go of when no other card is left in it.
 */
export function returnLink(world: World, { mac, netns }: GiveBackRequest): FoundLink | undefined {
  return located({ mac, netns }, () => {
    if (world.namespaces.exists(netns)) {
      const left = workInside(world, netns, ({ netlink, nft }) => {
        const link = linkByMac(netlink, mac)
        if (link !== undefined) {
          // Down before the block goes: at no instant is the link up and open.
          netlink.transact([setLink(link.ifindex, { up: false })])
          const listing = nft.list(imdsTable(link.name))
          nft.run('lift the IMDS block', unblockCommands(link.name, listing))
          moveOut(world, netlink, link.ifindex, mac)
        }
        return netlink.dump(dumpLinks(), decodeLink).filter((other) => isCard(other, other.mac))
      })
      if (left.every((link) => link.name === 'lo')) world.namespaces.drop(netns)
    }
    return tidyAtHome(world.home, mac)
  })
}

function moveOut(world: World, inside: NetlinkSocket, ifindex: number, mac: string): void {
  const change = { netnsFd: world.namespaces.homeFd, name: homeName(mac), alias: '' }
  inside.transact([setLink(ifindex, change)])
}

/** Also for a link that the kernel brought home by itself, or that networkd has taken up since. */
function tidyAtHome(home: NetlinkSocket, mac: string): FoundLink | undefined {
  const link = linkByMac(home, mac)
  if (link === undefined) return undefined
  makeQuiet(home, link.ifindex)
  const name = homeName(mac)
  const changes = [
    ...(link.name === name ? [] : [setLink(link.ifindex, { name })]),
    ...(link.alias === '' ? [] : [setLink(link.ifindex, { alias: '' })]),
  ]
  home.transact(changes)
  return { ifindex: link.ifindex, name }
}
