// `npm run soak -- --lifecycles N`: tasks start and stop while the agent is killed every few seconds,
// dockerd now and then, and the lab has EC2's bad days. At the end: nothing leaked, nothing stuck,
// no task stopped that nobody stopped, but for those whose card the lab withheld for good (1 % of the
// attaches of `hostile`): they must give up and say so, and there must be no more of them than that.
// A container that a killed dockerd had just had started, and does not know of, is no excuse: its task's
// cgroup ends it. No cgroup is left either.
//
//   own dockerd (live-restore) ─▶ lab (hostile) ─▶ agent ─▶ a few lives at once ─▶ look from outside

import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { OwnDockerd } from '../test/e2e/own-dockerd.ts'
import { Rig } from '../test/e2e/rig.ts'

const AT_ONCE = 12
const KILL_AGENT_MS = [2_000, 6_000] as const
const KILL_DOCKER_MS = [40_000, 80_000] as const
/** After this long one lifecycle counts as stuck. */
const STUCK_MS = 180_000
const HOSTILE_SCALE = 0.02
/** A card that never comes is given up after a minute instead of three. */
const TIMEOUT_SCALE = '0.33'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const between = ([low, high]: readonly [number, number]) => low + Math.random() * (high - low)

type Counts = {
  done: number
  stuck: string[]
  wrong: string[]
  /** Tasks that gave up on a card which did not come. */
  cardless: string[]
  /** The attaches, by request id, of which the lab says that their card never comes. */
  readonly withheld: Set<string>
  agentKills: number
  dockerKills: number
}

/** Asks again while the agent is dead or being born. */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (let turn = 0; ; turn++) {
    try {
      return await ask()
    } catch (error) {
      const isAway = /ECONNREFUSED|ECONNRESET|socket hang up|EPIPE/.test(String(error))
      if (!isAway || turn > 600) throw error
      await pause(100)
    }
  }
}

async function waitFor(rig: Rig, id: string, status: string): Promise<string> {
  const deadline = performance.now() + STUCK_MS
  for (;;) {
    const task = await persistently(() => rig.task(id))
    if (task.lastStatus === status) return 'reached'
    if (task.lastStatus === 'STOPPED') return `${task.stopCode}: ${task.stoppedReason}`
    if (performance.now() > deadline) return `stuck as ${task.lastStatus}`
    await pause(100)
  }
}

async function oneLife(rig: Rig, group: string, counts: Counts): Promise<void> {
  // The agent may die between taking it on and saying so.
  const clientToken = randomUUID()
  const [id = ''] = await persistently(() => rig.run('soak', [group], 1, clientToken))
  const up = await waitFor(rig, id, 'RUNNING')
  if (up.startsWith('stuck')) counts.stuck.push(`${id} ${up}`)
  else if (/^TaskFailedToStart: LinkNotSeen: gave up/.test(up)) counts.cardless.push(`${id} ${up}`)
  else if (up !== 'reached') counts.wrong.push(`${id} ${up}`)
  await pause(Math.random() * 2_000)
  const { lastStatus, stoppedReason } = await persistently(() => rig.task(id))
  if (up === 'reached' && lastStatus !== 'RUNNING') counts.wrong.push(`${id} ${stoppedReason}`)
  await persistently(() => rig.stop(id, 'soak'))
  const down = await waitFor(rig, id, 'STOPPED')
  if (down.startsWith('stuck')) counts.stuck.push(`${id} ${down}`)
  counts.done += 1
}

/** Reads off the lab's latest calls which cards it withholds. */
async function noteWithheld(rig: Rig, { withheld }: Counts): Promise<void> {
  const answer = await fetch(`${rig.env.AWS_ENDPOINT_URL_EC2}/lab/calls`)
  const { recent } = (await answer.json()) as {
    recent: { requestId: string; faults?: string[] }[]
  }
  for (const { requestId, faults = [] } of recent) {
    if (faults.includes('hostile: link never')) withheld.add(requestId)
  }
}

function readLifecycles(): number {
  const { values } = parseArgs({ options: { lifecycles: { type: 'string', default: '150' } } })
  const count = Number(values.lifecycles)
  if (Number.isInteger(count) && count >= 1 && count <= 1_000_000) return count
  throw new Error(
    `--lifecycles is "${values.lifecycles}", but must be a whole number from 1 to 1000000`,
  )
}

async function soak(lifecycles: number): Promise<boolean> {
  const dockerd = new OwnDockerd({ liveRestore: true })
  process.env.DOCKER_HOST = dockerd.host
  await dockerd.start()
  const rig = await Rig.open()
  rig.env.ENID_TIMEOUT_SCALE = TIMEOUT_SCALE
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
  const counts: Counts = {
    ...{ done: 0, stuck: [], wrong: [], cardless: [], withheld: new Set() },
    ...{ agentKills: 0, dockerKills: 0 },
  }
  const startedAt = performance.now()
  let isOver = false
  try {
    const group = await rig.group('soak')
    await rig.define('soak', 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done')
    await rig.enid('lab', 'profile', 'hostile', '--seed', '7', '--scale', String(HOSTILE_SCALE))

    const killAgents = async () => {
      for (;;) {
        await pause(between(KILL_AGENT_MS))
        if (isOver) return
        await rig.endAgent('SIGKILL')
        await rig.startAgent()
        counts.agentKills += 1
      }
    }
    const killDockers = async () => {
      for (let at = performance.now() + between(KILL_DOCKER_MS); !isOver; await pause(500)) {
        if (performance.now() < at) continue
        await dockerd.end('SIGKILL')
        await dockerd.start()
        counts.dockerKills += 1
        at = performance.now() + between(KILL_DOCKER_MS)
      }
    }
    const chaos = [killAgents(), killDockers()]
    let begun = 0
    const lives = Array.from({ length: AT_ONCE }, async () => {
      while (begun++ < lifecycles) {
        await oneLife(rig, group, counts)
        await noteWithheld(rig, counts)
        if (counts.done % 25 === 0) process.stderr.write(`${counts.done} of ${lifecycles}\n`)
      }
    })
    await Promise.all(lives)
    isOver = true
    await Promise.all(chaos)
    await noteWithheld(rig, counts)
    if (counts.cardless.length > counts.withheld.size) counts.wrong.push(...counts.cardless)
    await rig.enid('lab', 'profile', 'fast')
    await pause(2_000)
    const enis = await rig.enis()
    const containers = await rig.containers()
    await rig.close()
    const leftovers = await rig.leftovers()
    const seconds = (performance.now() - startedAt) / 1000
    const leaks = [...enis, ...containers, ...leftovers]
    for (const line of [...counts.stuck, ...counts.wrong, ...leaks]) console.log(line)
    console.log(
      `${counts.done} lifecycles in ${seconds.toFixed(0)} s, the agent killed ${counts.agentKills} ` +
        `times and dockerd ${counts.dockerKills}, ${counts.cardless.length} gave up on a card that ` +
        `EC2 withheld (${counts.withheld.size} attaches): ${leaks.length} leaks, ${counts.stuck.length} stuck, ` +
        `${counts.wrong.length} wrongly stopped`,
    )
    return leaks.length + counts.stuck.length + counts.wrong.length === 0
  } finally {
    isOver = true
    await rig.close()
    await dockerd.close()
  }
}

process.exitCode = await (async () => await soak(readLifecycles()))().then(
  (isClean) => (isClean ? 0 : 1),
  (error) => {
    console.error(`soak: ${(error as Error).message}`)
    return 2
  },
)
