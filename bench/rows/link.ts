// Row 3: what it takes to give a task's namespace its card, from the look for it to the reading back:
// found by MAC, moved, named, addressed and routed in IPv4 and IPv6, its gateways asked and verified
// (link-sides.ts), in parts of what the CNI plugin `host-device` with `static` addresses takes, and of
// the kernel's bare move. `whole` is what the agent does: the same with the metadata service blocked
// and the task endpoint's address and rule, for which CNI has no counterpart.

import { runApart } from '../apart.ts'
import type { Cost, LinkRun } from '../link-sides.ts'
import { compare, median, quantile, short } from '../pairs.ts'
import type { Figure, Goal, Row } from '../row.ts'

type Ways = 'link' | 'whole' | 'cni4' | 'cni6' | 'move'

const NAMES: Readonly<Record<Ways, string>> = {
  link: 'enid, IPv4 and IPv6',
  whole: 'enid with block and endpoint',
  cni4: 'host-device, IPv4',
  cni6: 'host-device, IPv4 and IPv6',
  move: 'the bare move',
}

export const row: Row = {
  what: 'a card taken into a namespace, in parts of what CNI and the kernel alone take',
  minutes: 7,
  gatePairs: 8,
  async run(stage) {
    const args = [String(stage.pairs)]
    const { samples, steps } = await runApart<LinkRun<Ways>>(stage, 'link-sides.ts', args)
    const part = (a: Ways, b: Ways, goal?: Goal, gate?: Goal): Figure[] =>
      compare(msOf(samples[a]), msOf(samples[b]), {
        ...{ what: `${NAMES[a]} ÷ ${NAMES[b]}`, a: NAMES[a], b: NAMES[b] },
        ...(goal && { p50: goal }),
        ...(gate && { gate }),
      })
    return [
      ...part('link', 'cni4', { most: 0.7 }, { most: 2 }),
      ...part('link', 'cni6', { most: 0.05 }, { most: 0.15 }),
      ...part('link', 'move', { most: 1.3 }),
      ...part('whole', 'cni4'),
      ...part('whole', 'move'),
      byProcessor(samples),
      inSteps('link', steps.link),
      inSteps('whole', steps.whole),
    ]
  },
}

const msOf = (costs: readonly Cost[]): number[] => costs.map(({ ms }) => ms)

/** The part that a busy machine changes little: what `whole` costs beside CNI, IPv4 and IPv6. */
function byProcessor(samples: LinkRun<Ways>['samples']): Figure {
  const mean = (way: Ways): number =>
    samples[way].reduce((sum, { cpuMs }) => sum + cpuMs, 0) / samples[way].length
  const raw = (['link', 'whole', 'cni4', 'cni6', 'move'] as const)
    .map((way) => `${NAMES[way]} ${short(mean(way))} ms`)
    .join(', ')
  const what = `${NAMES.whole} ÷ ${NAMES.cni6}: processor time`
  return { what, value: mean('whole') / mean('cni6'), gate: { most: 0.45 }, raw: `means: ${raw}` }
}

const STEPS = ['findMs', 'moveMs', 'blockMs', 'configureMs', 'verifyMs', 'gatewayMs'] as const

/** Where enid's time went, by its own account. */
function inSteps(way: Ways, all: LinkRun<Ways>['steps']['link']): Figure {
  const of = (step: (typeof STEPS)[number]): string => {
    const figures = all.map((each) => each[step])
    return `${step.replace('Ms', '')} ${short(median(figures))} (p95 ${short(quantile(figures, 0.95))})`
  }
  const value = median(all.map(({ totalMs }) => totalMs))
  return {
    what: `${NAMES[way]}: its own account`,
    value,
    unit: 'ms',
    raw: STEPS.map(of).join(', '),
  }
}
