// Row 7, packet by packet: what one small packet costs in a task's namespace and in a bare one
// (packet-sides.ts), and what stands in its way there, as the kernel lists it.
//
// On EC2 the card is the ENI itself: what stands in the task's own namespace is all there is of enid.

import { runApart } from '../apart.ts'
import type { PacketRun, Way } from '../packet-sides.ts'
import { median, short } from '../pairs.ts'
import type { Figure, Row } from '../row.ts'

/** What counts as unchanged: two namespaces that are alike differ by so much from run to run. */
const SAME = 0.05

export const row: Row = {
  what: "what a small packet costs to itself, out and in, in a task's namespace and in a bare one",
  minutes: 0.5,
  gatePairs: 80,
  async run(stage) {
    const run = await runApart<PacketRun>(stage, 'packet-sides.ts', [String(stage.pairs)])
    return [...smallPackets(run), ...inTheWay(run)]
  },
}

/** What each way is called, and the most that ten shortened runs and a margin allow it (README.md). */
const WAYS: Readonly<Record<Way, { name: string; most: number }>> = {
  lo: { name: 'to itself', most: 1.15 },
  out: { name: 'out by the card', most: 1.2 },
  in: { name: 'in by the card', most: 1.15 },
}

/** A datagram of 64 bytes: what is added to each is more of it than of any other packet. */
function smallPackets({ samples }: PacketRun): Figure[] {
  return (['lo', 'out', 'in'] as const).map((way) => {
    const [bare, block, whole] = (['bare', 'block', 'task'] as const).map((kind) =>
      median(samples[`${way}-${kind}`]),
    ) as [number, number, number]
    const more = (ns: number): string => `${short(ns)} (${(ns - bare).toFixed(0)} more)`
    return {
      what: `a small packet ${WAYS[way].name}, in a task ÷ bare`,
      value: whole / bare,
      ...(way === 'lo' && { goal: { most: 1 + SAME } }),
      gate: { most: WAYS[way].most },
      raw: `ns: bare ${short(bare)}, with the block ${more(block)}, in a task ${more(whole)}`,
    }
  })
}

/** What the kernel lists as standing in a packet's way in a task's namespace. */
function inTheWay({ ruleset, bytecode, qdiscs }: PacketRun): Figure[] {
  type Listed = { nftables: { chain?: { family: string; name: string; hook?: string } }[] }
  const chains = (JSON.parse(ruleset) as Listed).nftables.flatMap(({ chain }) => chain ?? [])
  const hooks = chains.map(({ family, name, hook }) => `${family} ${name} at ${hook}`)
  const queues = qdiscs.split('\n').flatMap((line) => /^qdisc (\S+) .*dev (\S+)/.exec(line) ?? [])
  return [
    {
      what: "chains in a task's namespace",
      value: hooks.length,
      unit: 'chains',
      raw: hooks.join(', '),
    },
    {
      what: 'expressions of all rules in them',
      value: bytecode.match(/^ {2}\[ /gm)?.length ?? 0,
      unit: 'expressions',
      gate: { most: 51 },
      raw: queues.join(' '),
    },
  ]
}
