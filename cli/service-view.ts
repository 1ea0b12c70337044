// A service as the agent's REST routes show it, as far as the commands read it.

/** Times are ISO 8601. */
export type ServiceView = {
  readonly cluster: string
  readonly name: string
  readonly serviceArn: string
  readonly status: string
  readonly strategy: string
  readonly taskDefinition: string
  readonly desiredCount: number
  readonly runningCount: number
  readonly pendingCount: number
  readonly rollout: string
  readonly rolloutReason: string
  readonly failedTasks: number
  readonly isSteady: boolean
  readonly createdAt: string
  readonly waiting?: { readonly code: string; readonly reason: string; readonly until?: string }
}

/** A service with all that is known of it. */
export type ServiceDetail = ServiceView & {
  readonly minimumHealthyPercent: number
  readonly maximumPercent: number
  readonly deployments: readonly {
    readonly id: string
    readonly taskDefinition: string
    readonly running: number
    readonly pending: number
    readonly rollout: string
    readonly failedTasks: number
    readonly taskIds: readonly string[]
    readonly lastFailure?: { readonly at: string; readonly reason: string }
  }[]
  readonly events: readonly { readonly at: string; readonly message: string }[]
}

/** Why it is not steady: what it waits for, and until when. */
export function waitText({ waiting }: ServiceView): string {
  if (waiting === undefined) return ''
  return `${waiting.reason}${waiting.until === undefined ? '' : ` (until ${waiting.until})`}`
}
