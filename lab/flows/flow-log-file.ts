// The flow log of a lab: a file to which each interval's records are appended (flow-log.ts). It is
// the lab's own switch, not EC2's CreateFlowLogs, which delivers to CloudWatch, S3 or Firehose.

import { appendFile, open } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { LabFabric } from '../fabric/open.ts'
import type { Lost, Verdict } from '../fabric/verdict.ts'
import type { World } from '../model/world.ts'
import { Turns } from '../turns.ts'
import { FIELDS, flowLogRecords, type Interval } from './flow-log.ts'

/** How often records are written unless told otherwise; EC2 has 60 and 600 seconds. */
export const FLOW_LOG_INTERVAL_S = 60
/** So many verdicts of an interval are kept; more count as skipped. Some megabytes. */
const HEARD_MAX = 20_000

export type FlowLogOptions = {
  readonly file: string
  /** 1 to 600. */
  readonly intervalS?: number
}

/** What a flow log watches. */
type Watched = {
  readonly seeing: LabFabric['verdicts']
  readonly world: () => World
  readonly log: Logger
}

export class FlowLogFile {
  readonly #file: string
  readonly #watched: Watched
  readonly #turns = new Turns()
  readonly #timer: NodeJS.Timeout
  #heard: (Verdict | Lost)[] = []
  #skipped = false
  #enis: Interval['enis']
  #startMs = Date.now()

  private constructor({ file, intervalS = FLOW_LOG_INTERVAL_S }: FlowLogOptions, watched: Watched) {
    this.#file = file
    this.#watched = watched
    this.#enis = plugged(watched.world())
    watched.seeing.on((heard) => this.#add(heard))
    this.#timer = setInterval(() => void this.#turn(), intervalS * 1000)
  }

  /** Begins a flow log. Rejects, naming the file, when it cannot be written. */
  static async open(options: FlowLogOptions, watched: Watched): Promise<FlowLogFile> {
    try {
      await using handle = await open(options.file, 'a', 0o644)
      const { size } = await handle.stat()
      if (size === 0) await handle.appendFile(`${FIELDS}\n`)
    } catch (error) {
      const { message } = error as Error
      throw new Error(`the flow log ${options.file} cannot be written: ${message}`, {
        cause: error,
      })
    }
    await watched.seeing.flowCounts() // From here on the kernel counts what flows carry.
    return new FlowLogFile(options, watched)
  }

  /** Writes what the last interval has had so far, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#turn()
  }

  #add(heard: readonly (Verdict | Lost)[]): void {
    const room = HEARD_MAX - this.#heard.length
    this.#heard.push(...heard.slice(0, room))
    this.#skipped ||= heard.length > room
  }

  /** Ends an interval. What goes wrong is logged: the next one is written all the same. */
  #turn(): Promise<void> {
    const { seeing, world, log } = this.#watched
    return this.#turns
      .take(async () => {
        await seeing.hear()
        const { counts, lost } = await seeing.flowCounts()
        const [startMs, endMs, heard] = [this.#startMs, Date.now(), this.#heard]
        const now = plugged(world())
        const enis = [...new Map([...this.#enis, ...now].map((eni) => [eni.eniId, eni])).values()]
        const interval = { startMs, endMs, counts, heard, enis, lost: lost || this.#skipped }
        this.#startMs = endMs
        this.#heard = []
        this.#skipped = false
        this.#enis = now
        const records = flowLogRecords(interval)
        if (records.length > 0) await appendFile(this.#file, `${records.join('\n')}\n`)
      })
      .catch((error: unknown) => {
        log.error({ err: error, file: this.#file }, 'an interval of the flow log is not written')
      })
  }
}

const plugged = (world: World): Interval['enis'] =>
  [...world.enis.values()].filter(({ attachment }) => attachment?.netns !== undefined)
