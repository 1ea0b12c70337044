// Why something did not work, named by who must act. Drivers classify once, at the call; the runner
// acts on `kind` alone; api/ alone speaks AWS error names. Every code stands in docs/errors.md.
//
//   transient  time        retry with backoff
//   refused    the caller  climbing: the task stops; descending: retried, and shown
//   lost       nobody      it is a fact: climbing: the task stops; descending: success
//   defect     us          exit; systemd restarts, the journal resumes

export type FailureKind = 'transient' | 'refused' | 'lost' | 'defect'

export class Failure extends Error {
  override name = 'Failure'
  readonly kind: FailureKind
  /** A word to search for: EC2's, ECS's or ours. It has a row in docs/errors.md. */
  readonly code: string
  /** What to do about it, for the person who reads it. */
  readonly hint: string
  /** Only the choice was refused (this subnet, this device index): the next one may work. */
  readonly ofChoice: boolean
  /** Who was asked is away or holds us back: waiting costs nothing, so no deadline counts it. */
  readonly isAway: boolean

  constructor(
    kind: FailureKind,
    code: string,
    message: string,
    options: { hint?: string; ofChoice?: boolean; isAway?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.kind = kind
    this.code = code
    this.hint = options.hint ?? ''
    this.ofChoice = options.ofChoice ?? false
    this.isAway = options.isAway ?? false
  }
}

/** The failure in one sentence, with its remedy. */
export const sentence = ({ message, hint }: Failure): string =>
  hint === '' ? message : `${message}. ${hint}`
