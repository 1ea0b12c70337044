// How often this host may call EC2. EC2 fills one token bucket per action for the whole account and
// region; each host takes a share of each, so that a fleet does not starve itself.
//
//   turn(action) ─▶ a token? go ── none? wait in line: launch, then release, spare, sweep
//   EC2 throttles an action all the same ─▶ its share is halved, and grows back in a minute
//
// Kept in memory: a restart begins with full buckets, which is a handful of describes.

import type { HolderId, Spec } from '../state/spec.ts'
import type { Ec2Called, RowId } from '../state/task.ts'
import type { Clock } from './clock.ts'
import { Failure, sentence } from './failure.ts'
import type { Waiting } from './orders.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** Who goes first when several wait for one bucket. */
export type Priority = 'launch' | 'release' | 'spare' | 'sweep'
const ORDER: readonly Priority[] = ['launch', 'release', 'spare', 'sweep']

/** The step that a call is made for, or one of them. */
export type CalledFor = {
  readonly holderId: HolderId
  readonly row: RowId
  /** Told of the call when it is over. `waitedMs`: for its turn. */
  readonly onCall?: ((call: Ec2Called & { readonly waitedMs: number }) => void) | undefined
}

/** What a call is for. `rows`: whose steps it holds up, to be shown while it waits. */
export type Purpose = { readonly priority: Priority; readonly rows?: Iterable<CalledFor> }

/** A call that an ensure makes: of a task, or of a spare, for which nobody waits. */
export const launching = (step: CalledFor & { readonly spec?: Pick<Spec, 'kind'> }): Purpose => ({
  priority: step.spec?.kind === 'spare' ? 'spare' : 'launch',
  rows: [step],
})
/** A call that a release makes. */
export const releasing = (step: CalledFor): Purpose => ({ priority: 'release', rows: [step] })

/** A call that nobody waits for: it goes last. */
export const BACKGROUND: Purpose = { priority: 'sweep' }

/** One token, spent. */
export type Turn = {
  /** EC2 answered this call with a throttle. */
  throttled(): void
}

/** How one action stands. Rates and tokens are this host's, not the account's. */
export type ActionBudget = Rate & {
  readonly action: string
  /** The share at the moment: less than the setting for a while after EC2 throttled. */
  readonly share: number
  readonly tokens: number
  readonly waiting: number
  readonly throttled: number
}

/** The setting, and every action that was called so far. */
export type BudgetView = { readonly share: number; readonly actions: readonly ActionBudget[] }

const INTERFACE_CHANGES = new Set([
  ...['CreateNetworkInterface', 'DeleteNetworkInterface', 'ModifyNetworkInterfaceAttribute'],
  ...['AssignPrivateIpAddresses', 'UnassignPrivateIpAddresses', 'AssignIpv6Addresses'],
])
const TAG_CHANGES = new Set(['CreateTags', 'DeleteTags'])

/**
 * The account's bucket of an action, as the AWS guide "Request throttling for the Amazon EC2 API"
 * has it (2025). Describes: those with a filter or pages, which is how ours are made.
 */
export function accountRate(action: string): Rate {
  if (INTERFACE_CHANGES.has(action)) return { burst: 100, perSecond: 5 }
  if (TAG_CHANGES.has(action)) return { burst: 100, perSecond: 10 }
  if (action.startsWith('Describe')) return { burst: 100, perSecond: 20 }
  return { burst: 50, perSecond: 5 }
}

type Waiter = { readonly purpose: Purpose; readonly go: (turn: Turn) => void }

/** One action's bucket on this host, and who waits for it. */
type Queue = {
  readonly bucket: TokenBucket
  readonly line: Waiter[]
  throttled: number
  cancelTimer: () => void
}

/** The buckets of this host. */
export class Budget {
  readonly #clock: Clock
  readonly #share: number
  readonly #queues = new Map<string, Queue>()

  /** `share`: the part of the account's rate that this host takes, 0.01 to 1. */
  constructor({ clock, share }: { readonly clock: Clock; readonly share: number }) {
    this.#clock = clock
    this.#share = share
  }

  /**
   * Waits until this action may be called once, and spends the token. Rejects with a Failure
   * `Aborted` as soon as the signal aborts; then nothing is spent.
   */
  async turn(action: string, purpose: Purpose, signal: AbortSignal): Promise<Turn> {
    const queue = this.#queue(action)
    const { promise, resolve, reject } = Promise.withResolvers<Turn>()
    const waiter = { purpose, go: resolve }
    const giveUp = () => {
      const at = queue.line.indexOf(waiter)
      if (at >= 0) queue.line.splice(at, 1)
      const message = `${action} was given up while it waited for its turn`
      reject(new Failure('transient', 'Aborted', message))
    }
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) giveUp()
    else this.#join(queue, waiter)
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /**
   * Whether a call that may be in vain takes it from nobody: more than half of the burst is there, and
   * EC2 has not throttled this action lately.
   */
  hasPlenty(action: string): boolean {
    const { bucket, line } = this.#queue(action)
    const isFull = bucket.tokens(this.#clock.elapsed()) > bucket.rate.burst / 2
    return line.length === 0 && isFull && bucket.share >= this.#share
  }

  /** The steps of this holder that wait for a token, and until when about. */
  waiting(holderId: HolderId): Waiting[] {
    return [...this.waits()].flatMap(([id, waiting]) => (id === holderId ? [waiting] : []))
  }

  /** The steps of all holders that wait for a token. */
  *waits(): Generator<readonly [HolderId, Waiting]> {
    const now = this.#clock.elapsed()
    for (const [action, { bucket, line }] of this.#queues) {
      if (line.length === 0) continue
      const { code, reason } = spent(action, bucket.rate)
      for (const [place, { purpose }] of line.entries()) {
        const verb = purpose.priority === 'release' ? 'release' : 'ensure'
        const nextTryAt = this.#clock.now() + bucket.msUntil(place + 1, now)
        for (const { holderId, row } of purpose.rows ?? []) {
          yield [holderId, { row, verb, attempt: 1, code, reason, nextTryAt }]
        }
      }
    }
  }

  /** How the budget stands. */
  view(): BudgetView {
    const now = this.#clock.elapsed()
    const actions = [...this.#queues].map(([action, { bucket, line, throttled }]) => ({
      action,
      tokens: rounded(bucket.tokens(now)),
      share: rounded(bucket.share),
      burst: rounded(bucket.rate.burst),
      perSecond: rounded(bucket.rate.perSecond),
      waiting: line.length,
      throttled,
    }))
    return { share: this.#share, actions }
  }

  #queue(action: string): Queue {
    const found = this.#queues.get(action)
    if (found !== undefined) return found
    const bucket = new TokenBucket(accountRate(action), this.#share, this.#clock.elapsed())
    const queue = { bucket, line: [], throttled: 0, cancelTimer: () => {} }
    this.#queues.set(action, queue)
    return queue
  }

  #join(queue: Queue, waiter: Waiter): void {
    const rank = ({ purpose }: Waiter) => ORDER.indexOf(purpose.priority)
    const after = queue.line.findIndex((other) => rank(other) > rank(waiter))
    queue.line.splice(after < 0 ? queue.line.length : after, 0, waiter)
    this.#advance(queue)
  }

  #advance(queue: Queue): void {
    const { bucket, line } = queue
    const now = this.#clock.elapsed()
    queue.cancelTimer()
    while (line.length > 0 && bucket.take(now)) {
      const { cuts } = bucket
      line.shift()?.go({ throttled: () => this.#throttled(queue, cuts) })
    }
    if (line.length === 0) return
    const again = () => this.#advance(queue)
    queue.cancelTimer = this.#clock.after(Math.max(1, bucket.msUntil(1, now)), again)
  }

  /** Of calls that were under way together, only the first throttle cuts. */
  #throttled(queue: Queue, cutsBefore: number): void {
    queue.throttled += 1
    if (queue.bucket.cuts !== cutsBefore) return
    queue.bucket.cut(this.#clock.elapsed())
    this.#advance(queue)
  }
}

/** What a step that waits for its turn shows; a Failure like any other, but never thrown. */
function spent(action: string, { perSecond }: Rate): { code: string; reason: string } {
  const message = `waiting for the EC2 budget of ${action} (${rounded(perSecond)} calls/s)`
  const failure = new Failure('transient', 'Ec2BudgetSpent', message, {
    hint: "This host takes a share of the account's rate: ec2Share sets it.",
  })
  return { code: failure.code, reason: sentence(failure) }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000
