// The fabric's proof of itself, the part that sends: datagrams from one guest to another, some of
// which the gates must pass and some of which they must drop. A dropped one is only known by what
// overtook it, so the closed ports are sent to first, and judged after the open one has arrived.

import { close } from './libc.ts'
import { arrivals, datagramIn, sendByte } from './socket.ts'

const ROUND_MS = 20
const ROUNDS_MAX = 75
const GRACE_MS = 5

/** A sender and a receiver, each with one address per family, and the receiver's UDP ports. */
export type ProbePlan = {
  readonly from: { readonly netns: string; readonly addresses: readonly string[] }
  readonly to: { readonly netns: string; readonly addresses: readonly string[] }
  readonly openPort: number
  readonly closedPorts: readonly number[]
  /** Somebody else who sends to the receiver's first address, at a port of his own, and is not let. */
  readonly stranger?: { readonly netns: string; readonly address: string; readonly port: number }
}

/** What came through: `missing` open ports and `leaked` closed ones, as `address port`. */
export type ProbeResult = { readonly missing: string[]; readonly leaked: string[] }

type Target = { fd: number; name: string; address: string; port: number; sender: number }

/** Sends until every open port was reached or 1.5 s are over. Blocks its thread meanwhile. */
export function probe({ from, to, openPort, closedPorts, stranger }: ProbePlan): ProbeResult {
  const fds: number[] = []
  const born = (netns: string, address: string, port: number): number => {
    const fd = datagramIn(netns, address, port)
    fds.push(fd)
    return fd
  }
  try {
    const targets = to.addresses.flatMap((address, family): Target[] => {
      const sender = born(from.netns, from.addresses[family] ?? '', 0)
      return [...closedPorts, openPort].map((port) => {
        const fd = born(to.netns, address, port)
        return { fd, name: `${address} port ${port}`, address, port, sender }
      })
    })
    if (stranger !== undefined) {
      const [address = ''] = to.addresses
      const { netns, port } = stranger
      targets.push({
        fd: born(to.netns, address, port),
        name: `${address} port ${port} from ${stranger.address}`,
        address,
        port,
        sender: born(netns, stranger.address, 0),
      })
    }
    const closed = targets.filter(({ port }) => port !== openPort)
    const waiting = new Set(targets.filter(({ port }) => port === openPort))
    for (let round = 0; waiting.size > 0 && round < ROUNDS_MAX; round++) {
      for (const { sender, address, port } of targets) sendByte(sender, address, port)
      for (const target of arrived([...waiting], ROUND_MS)) waiting.delete(target)
    }
    const leaked = arrived(closed, GRACE_MS)
    return { missing: [...waiting].map(({ name }) => name), leaked: leaked.map(({ name }) => name) }
  } finally {
    for (const fd of fds) close(fd)
  }
}

function arrived(targets: readonly Target[], timeoutMs: number): Target[] {
  const readable = new Set(
    arrivals(
      targets.map(({ fd }) => fd),
      timeoutMs,
    ),
  )
  return targets.filter(({ fd }) => readable.has(fd))
}
