// The steps of a task as bars on a common scale, for `enid describe`. Steps far apart in time (the start, a
// repair, the stop) are charts of their own, each on its own scale. Plain characters: it is piped.
//
//   STEP                     AT    TOOK  |0 ms                      1.2 s|
//   ensure eni:0           2 ms  120 ms  |###                            |
//   ensure attachment:0  125 ms   1.1 s  |   .............###############|

import { duration } from './table.ts'
import type { StepView, TaskDetail } from './task-view.ts'

/** Two steps belong to one chart unless there was nothing for longer than this, and than it is long. */
const GAP_MS = 1000
/** So many charts are shown of the first and of the latest: a repair a minute makes no end of them. */
const CHARTS = { first: 2, last: 3 }
/** A terminal that is narrower wraps; one that is wider leaves the rest empty. Columns. */
const WIDTH = { min: 60, max: 140 }
/** The part of it that names of steps may take up. */
const NAMES_MAX = 0.4

type Drawn = StepView & { readonly endMs: number; readonly mark: keyof typeof MARKS }
type Chart = { readonly startMs: number; readonly endMs: number; readonly steps: readonly Drawn[] }

const MARKS = {
  '#': 'at work',
  '.': 'waiting',
  '>': 'under way',
  '!': 'failed',
  x: 'cut short',
} as const

/** The charts under each other; `now` in milliseconds since the epoch, `columns` of the terminal. */
export function stepChart(
  task: Pick<TaskDetail, 'steps' | 'waiting' | 'createdAt' | 'lastStatus'>,
  { now, columns }: { readonly now: number; readonly columns: number },
): string {
  const nowMs = task.lastStatus === 'STOPPED' ? undefined : now - Date.parse(task.createdAt)
  const charts = chartsOf(task.steps.map((step) => drawn(step, nowMs)))
  const width = Math.min(WIDTH.max, Math.max(WIDTH.min, columns))
  const lines = (chart: Chart) => draw(chart, task.waiting, width)
  const left = charts.length - CHARTS.first - CHARTS.last
  const shown =
    left <= 0
      ? charts.map(lines)
      : [
          ...charts.slice(0, CHARTS.first).map(lines),
          `… and ${left} more between them: --json has every step`,
          ...charts.slice(-CHARTS.last).map(lines),
        ]
  return [...shown, legend(charts.flatMap(({ steps }) => steps))]
    .filter((text) => text !== '')
    .join('\n\n')
}

function drawn(step: StepView, nowMs = step.afterMs): Drawn {
  const { afterMs, durationMs, gaveUp, failure } = step
  const endMs = durationMs === undefined ? Math.max(nowMs, afterMs) : afterMs + durationMs
  const ended = gaveUp ? (failure === undefined ? 'x' : '!') : '#'
  return { ...step, endMs, mark: durationMs === undefined ? '>' : ended }
}

function chartsOf(steps: readonly Drawn[]): Chart[] {
  const charts: Chart[] = []
  for (const step of steps.toSorted((a, b) => a.afterMs - b.afterMs)) {
    const open = charts.at(-1)
    const pause = open === undefined ? 0 : step.afterMs - open.endMs
    const isFar = open === undefined || pause > Math.max(GAP_MS, open.endMs - open.startMs)
    if (isFar) charts.push({ startMs: step.afterMs, endMs: step.endMs, steps: [step] })
    else {
      const endMs = Math.max(open.endMs, step.endMs)
      charts[charts.length - 1] = { ...open, endMs, steps: [...open.steps, step] }
    }
  }
  // The first one counts from when the task was asked for.
  return charts.map((chart, n) => (n === 0 ? { ...chart, startMs: 0 } : chart))
}

function draw(
  { startMs, endMs, steps }: Chart,
  waiting: TaskDetail['waiting'],
  width: number,
): string {
  const cells = steps.map((step) => [
    `${step.verb} ${step.row}`,
    duration(step.afterMs - startMs),
    duration(step.endMs - step.afterMs),
  ])
  const heads = ['STEP', startMs === 0 ? 'AT' : '+AT', 'TOOK']
  const longest = (n: number) => Math.max(...[heads, ...cells].map((row) => row[n]?.length ?? 0))
  const [at, took] = [longest(1), longest(2)]
  const label = Math.min(longest(0), Math.floor(width * NAMES_MAX))
  const bar = width - label - at - took - 8
  const line = ([name = '', began = '', lasted = '']: readonly string[], drawing: string) =>
    `${cut(name, label).padEnd(label)}  ${began.padStart(at)}  ${lasted.padStart(took)}  |${drawing}|`
  const scale = scaleText(duration(startMs), duration(endMs), bar)
  const rows = steps.map((step, n) => {
    const text = line(cells[n] ?? [], barOf(step, { startMs, endMs }, bar))
    return [text, ...notes(step, waiting)].join('\n')
  })
  return [line(heads, scale), ...rows].join('\n')
}

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`

const scaleText = (from: string, to: string, width: number): string =>
  `${from}${to.padStart(Math.max(to.length + 1, width - from.length))}`

/** What it waited is drawn before what it worked: when it waited is not kept. */
function barOf(
  { afterMs, endMs, waitedMs = 0, mark }: Drawn,
  scale: { readonly startMs: number; readonly endMs: number },
  width: number,
): string {
  const perMs = width / Math.max(1, scale.endMs - scale.startMs)
  const from = Math.min(width - 1, Math.floor((afterMs - scale.startMs) * perMs))
  const to = Math.max(from + 1, Math.min(width, Math.ceil((endMs - scale.startMs) * perMs)))
  const idle = Math.min(to - from - 1, Math.round(waitedMs * perMs))
  const busy = '#'.repeat(to - from - idle - 1)
  return `${' '.repeat(from)}${'.'.repeat(idle)}${busy}${mark}`.padEnd(width)
}

/** What the bar cannot say, in a line below it. */
function notes(step: Drawn, waiting: TaskDetail['waiting']): string[] {
  const { verb, row, attempts, retries = 0, waitedMs, failure, mark } = step
  const now = waiting.find((each) => each.row === row && each.verb === verb)
  const said = [
    failure !== undefined && mark === '!' ? `failed: ${failure}` : '',
    attempts > 1 ? `began ${attempts} times` : '',
    retries > 0 ? `${retries} ${retries === 1 ? 'retry' : 'retries'}` : '',
    waitedMs === undefined ? '' : `waited ${duration(waitedMs)}`,
    mark === '>' && now !== undefined ? `waits for its next try: ${now.code}` : '',
  ].filter((text) => text !== '')
  return said.length === 0 ? [] : [`    ${said.join(', ')}`]
}

/** What the marks mean, where there are others than the plain one. */
function legend(steps: readonly Drawn[]): string {
  const used = new Set<string>(steps.map(({ mark }) => mark))
  if (steps.some(({ waitedMs = 0 }) => waitedMs > 0)) used.add('.')
  if (used.size < 2 && (used.has('#') || used.size === 0)) return ''
  const shown = Object.entries(MARKS).filter(([mark]) => mark === '#' || used.has(mark))
  return shown.map(([mark, meaning]) => `${mark} ${meaning}`).join('   ')
}
