// A host's share of one of the account's token buckets, and how full it is. Told what time it is, in
// milliseconds of a clock that never jumps (Clock.elapsed), so that it has no clock of its own.

/** So many calls at once, and so many per second after that. */
export type Rate = { readonly burst: number; readonly perSecond: number }

/**
 * A share that was cut to nothing grows back whole in this time, milliseconds (judgement). EC2's own
 * buckets are full again after 20 s; with five minutes, an account whose every second call is throttled
 * by others kept an attach waiting for over 90 s.
 */
const RECOVERY_MS = 60_000
/** A share is never cut below this part of the setting (judgement). */
const SHARE_FLOOR = 1 / 16
/** Sums of fractions of tokens come out a little short of one. */
const NEARLY_ONE = 1 - 1e-9

export class TokenBucket {
  /** How often the share was cut. */
  cuts = 0
  readonly #account: Rate
  readonly #setShare: number
  #share: number
  #tokens: number
  #asOf: number

  /** Full. `share`: the part of the account's bucket that is ours; `now`: milliseconds. */
  constructor(account: Rate, share: number, now: number) {
    this.#account = account
    this.#setShare = share
    this.#share = share
    this.#tokens = this.rate.burst
    this.#asOf = now
  }

  /** The share at the moment: less than the one that was set for a while after a cut. */
  get share(): number {
    return this.#share
  }

  /** A share never means never: there is room for one token at least. */
  get rate(): Rate {
    const { burst, perSecond } = this.#account
    return { burst: Math.max(1, burst * this.#share), perSecond: perSecond * this.#share }
  }

  /** What is in it now. */
  tokens(now: number): number {
    const ms = now - this.#asOf
    const { burst, perSecond } = this.rate
    this.#tokens = Math.min(burst, this.#tokens + (ms * perSecond) / 1000)
    this.#share = Math.min(this.#setShare, this.#share + (this.#setShare * ms) / RECOVERY_MS)
    this.#asOf = now
    return this.#tokens
  }

  /** Takes a token. False when there is none. */
  take(now: number): boolean {
    if (this.tokens(now) < NEARLY_ONE) return false
    this.#tokens -= 1
    return true
  }

  /** Whole milliseconds from now until it has had `count` tokens. */
  msUntil(count: number, now: number): number {
    return Math.max(0, Math.ceil(((count - this.tokens(now)) / this.rate.perSecond) * 1000))
  }

  /** EC2's own bucket is empty, whoever emptied it: so is ours, and it fills at half the rate. */
  cut(now: number): void {
    this.#tokens = Math.min(0, this.tokens(now))
    this.#share = Math.max(this.#setShare * SHARE_FLOOR, this.#share / 2)
    this.cuts += 1
  }
}
