// Which action was called how often, and how it ended: what a caller's budget is checked against
// (GET /lab/calls), and what the operator reads. Names come from the SDK's list of operations, so
// that no caller can fill it with names of its own.

/** How one call ended: `ok`, or EC2's error code. */
export type CallRecord = {
  readonly at: string
  readonly requestId: string
  readonly action: string
  readonly outcome: string
  readonly durationMs: number
  /** What made it go wrong, where something was told to. */
  readonly faults?: readonly string[]
}

/** The counts of one action: all calls, and those refused by error code. */
export type ActionCount = { readonly calls: number; readonly errors: Record<string, number> }

const RECENT_MAX = 1000

export class CallLog {
  #since = new Date()
  #counts = new Map<string, { calls: number; errors: Map<string, number> }>()
  #recent: CallRecord[] = []

  /** Counts one call that has been answered. */
  add(record: CallRecord): void {
    const count = this.#counts.get(record.action) ?? { calls: 0, errors: new Map() }
    count.calls++
    if (record.outcome !== 'ok') {
      count.errors.set(record.outcome, (count.errors.get(record.outcome) ?? 0) + 1)
    }
    this.#counts.set(record.action, count)
    this.#recent.push(record)
    if (this.#recent.length > RECENT_MAX) this.#recent.shift()
  }

  /** The counts since the start or the last reset, and the latest calls, oldest first. */
  summary(): {
    since: string
    actions: Record<string, ActionCount>
    recent: readonly CallRecord[]
  } {
    const actions = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      since: this.#since.toISOString(),
      actions: Object.fromEntries(
        actions.map(([action, { calls, errors }]) => [
          action,
          { calls, errors: Object.fromEntries(errors) },
        ]),
      ),
      recent: [...this.#recent],
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#since = new Date()
    this.#counts = new Map()
    this.#recent = []
  }
}
