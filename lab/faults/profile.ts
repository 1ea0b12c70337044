// How long EC2 takes: three profiles. `fast` is no time at all; `aws` is what has been seen of real
// accounts; `hostile` is `aws` on its worst days, with the troubles of hostile.ts on top. Each
// duration is a draw from a log-normal spread, replayed by the seed. Sources of the numbers: logs and
// metrics in public issues of amazon-vpc-cni-k8s, cilium, amazon-ecs-agent, Terraform and titus; the
// spreads are our reading of them, not published.

import { logNormal, type Spread } from './chance.ts'

/** The steps that take time. */
export type StepName =
  | 'describe'
  | 'create'
  | 'attach'
  | 'link'
  | 'attached'
  | 'imdsIn'
  | 'imdsOut'
  | 'modify'
  | 'rule'
  | 'detach'
  | 'detached'
  | 'delete'

const s = (p50: number, p95: number, max: number): Spread => ({ p50, p95, max })

/** Seconds, as median, 95th percentile, and hard tail. */
const AWS: Readonly<Record<StepName, Spread>> = {
  describe: s(0.12, 0.5, 2),
  create: s(0.4, 0.8, 3),
  attach: s(0.7, 1, 3),
  // From the answer to AttachNetworkInterface until the host sees the link.
  link: s(1.2, 5, 30),
  // From attaching to attached.
  attached: s(1, 3, 15),
  imdsIn: s(1.5, 6, 18),
  imdsOut: s(20, 120, 300),
  modify: s(0.45, 0.8, 2),
  // From the call until rules or groups are in force; the lab answers only then.
  rule: s(0.5, 2, 5),
  detach: s(0.4, 0.8, 3),
  // From detaching until the ENI can be deleted.
  detached: s(3, 10, 60),
  delete: s(0.35, 0.7, 2),
}

/** The profiles by name; `fast` has no durations. */
export const PROFILES = {
  fast: undefined,
  aws: AWS,
  hostile: { ...AWS, describe: s(2, 5, 10) },
} as const satisfies Record<string, Readonly<Record<StepName, Spread>> | undefined>

export type ProfileName = keyof typeof PROFILES

/** How long a new ENI is `pending` in any profile but `fast`, in seconds. */
export const PENDING_SECONDS = 0.5

/** A profile as it was chosen. */
export type Profile = {
  readonly name: ProfileName
  readonly seed: number
  /** What every duration is multiplied by: 0.1 is ten times as fast. */
  readonly scale: number
}

/** The step that an action's own duration is drawn from. */
export function stepOf(action: string): StepName {
  if (/^(Describe|Get|List|Search)/.test(action)) return 'describe'
  if (/^(Authorize|Revoke)/.test(action)) return 'rule'
  if (/^Create(?!Tags)/.test(action)) return 'create'
  if (/^Delete(?!Tags)/.test(action)) return 'delete'
  if (/^Attach/.test(action)) return 'attach'
  if (/^Detach/.test(action)) return 'detach'
  return 'modify'
}

/** A profile in use: it remembers how often each step was drawn. */
export class Latency {
  readonly profile: Profile
  readonly #spreads: Readonly<Record<StepName, Spread>>
  readonly #drawn = new Map<string, number>()

  constructor(profile: Profile, spreads: Readonly<Record<StepName, Spread>>) {
    this.profile = profile
    this.#spreads = spreads
  }

  /** The next duration of a step, in milliseconds, scaled. */
  drawMs(step: StepName): number {
    const seconds = logNormal(this.#spreads[step], this.profile.seed, step, this.next(step))
    return this.scaledMs(seconds)
  }

  /** So many seconds of EC2, in the milliseconds of this lab. */
  scaledMs(seconds: number): number {
    return seconds * 1000 * this.profile.scale
  }

  /** How often something was drawn for before; counts it. */
  next(purpose: string): number {
    const n = (this.#drawn.get(purpose) ?? 0) + 1
    this.#drawn.set(purpose, n)
    return n
  }
}

/** The latency of a profile; none for `fast`. */
export function latencyOf(profile: Profile): Latency | undefined {
  const spreads = PROFILES[profile.name]
  return spreads === undefined ? undefined : new Latency(profile, spreads)
}
