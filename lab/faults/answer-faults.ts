// Faults of the connection to EC2, which any call may meet: throttled, failing, lost on the way
// there or back, slow, or answered by a replica that lags behind.

import { Refusal } from '../model/refusal.ts'
import { type CallKind, type CallStrike, durationMs, OF_CALL } from './kind.ts'
import { bucketOf, takeToken } from './throttle.ts'

/** EC2's answer to a call over the limit (seen in amazon-vpc-cni-k8s issue 405). */
export const limitExceeded = (): Refusal =>
  new Refusal('RequestLimitExceeded', 'Request limit exceeded.', 503)

/** What stands in the call log for a call that had no effect and got no answer. */
export const notDone = (): Refusal =>
  new Refusal('(not done)', 'The connection ended before anything was done.', 503)

/** The faults of this family. */
export const ANSWER_FAULTS = {
  throttle: {
    family: 'call',
    summary: "EC2's token bucket of every action: RequestLimitExceeded when it is empty",
    options: ['action'],
    onCall: throttle,
  },
  'request-limit': {
    family: 'call',
    summary: 'RequestLimitExceeded, whatever the bucket holds; nothing is done',
    options: OF_CALL,
    onCall: ({ plan }) => refuse(plan, limitExceeded()),
  },
  'error-500': {
    family: 'call',
    summary: 'InternalError, HTTP 500; nothing is done',
    options: OF_CALL,
    onCall: ({ plan }) =>
      refuse(plan, new Refusal('InternalError', 'An internal error has occurred', 500)),
  },
  'error-503': {
    family: 'call',
    summary: 'Unavailable, HTTP 503; nothing is done',
    options: OF_CALL,
    onCall: ({ plan }) =>
      refuse(plan, new Refusal('Unavailable', 'The service is unavailable. Please try again', 503)),
  },
  'effect-lost': {
    family: 'call',
    summary: 'nothing is done, and the connection ends without an answer',
    options: OF_CALL,
    onCall({ plan }) {
      plan.delivery = 'close'
      return refuse(plan, notDone())
    },
  },
  'reply-lost': {
    family: 'call',
    summary: 'it is done, and the connection ends without an answer',
    options: OF_CALL,
    onCall({ plan }) {
      plan.delivery = 'close'
      return true
    },
  },
  'connection-reset': {
    family: 'call',
    summary: 'nothing is done, and the connection is reset (RST)',
    options: OF_CALL,
    onCall({ plan }) {
      plan.delivery = 'reset'
      return refuse(plan, notDone())
    },
  },
  'slow-reply': {
    family: 'call',
    summary: 'it is done at once, and answered --seconds (5) later',
    options: [...OF_CALL, 'seconds'],
    defaults: { seconds: 5 },
    onCall({ plan, options }) {
      plan.afterMs += durationMs(options)
      return true
    },
  },
  'slow-body': {
    family: 'call',
    summary: 'the head of the answer comes at once, its body in drops over --seconds (5)',
    options: [...OF_CALL, 'seconds'],
    defaults: { seconds: 5 },
    onCall({ plan, options }) {
      plan.delivery = { overMs: durationMs(options) }
      return true
    },
  },
  'stale-describe': {
    family: 'call',
    summary: 'Describe… sees the world as it was --seconds (30) ago',
    options: [...OF_CALL, 'seconds'],
    defaults: { seconds: 30, action: 'Describe*' },
    onCall({ plan, options }) {
      plan.lagMs = Math.max(plan.lagMs, durationMs(options))
      return true
    },
  },
  'not-visible-yet': {
    family: 'call',
    summary: 'a call that changes finds nothing that is younger than --seconds (10): NotFound',
    options: [...OF_CALL, 'seconds'],
    defaults: { seconds: 10 },
    onCall({ plan, options }) {
      plan.unseenMs = Math.max(plan.unseenMs, durationMs(options))
      return true
    },
  },
} as const satisfies Record<string, CallKind>

/** Has the call refused, unless it is already. */
export function refuse(plan: CallStrike['plan'], refusal: Refusal): true {
  plan.refusal ??= refusal
  return true
}

function throttle({ plan, nowMs, buckets }: CallStrike): boolean {
  const { name, size } = bucketOf(plan.facts)
  const { taken, bucket } = takeToken(size, buckets.get(name), nowMs)
  buckets.set(name, bucket)
  if (!taken) refuse(plan, limitExceeded())
  return !taken
}
