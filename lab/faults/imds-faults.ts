// Faults of IMDS: not there, failing, behind the times, half-filled; and what EC2 announces there
// before it takes an instance away (EC2 user guide, "Spot Instance interruption notices",
// "Scheduled events"; Auto Scaling guide, "target lifecycle state").

import type { FaultOptions } from './fault.ts'
import { durationMs, type ImdsKind, type NoticeKind, OF_IMDS } from './kind.ts'

/** The faults of this family. */
export const IMDS_FAULTS = {
  'imds-absent': {
    family: 'imds',
    summary: 'IMDS ends the connection without an answer',
    options: OF_IMDS,
    onImds(plan) {
      plan.absent = true
    },
  },
  'imds-error': {
    family: 'imds',
    summary: 'IMDS answers 503',
    options: OF_IMDS,
    onImds(plan) {
      plan.failing = true
    },
  },
  'imds-stale': {
    family: 'imds',
    summary: 'IMDS tells the world as it was --seconds (300) ago',
    options: [...OF_IMDS, 'seconds'],
    defaults: { seconds: 300 },
    onImds(plan, options) {
      plan.lagMs = Math.max(plan.lagMs, durationMs(options))
    },
  },
  'imds-bare': {
    family: 'imds',
    summary: 'IMDS lists the MACs of attached ENIs (or of --eni, --task), and what is below is 404',
    options: [...OF_IMDS, 'eni', 'task'],
    onImds(plan, { eni, task }, eniIds) {
      const isOfAll = eni === undefined && task === undefined
      if (isOfAll || plan.bare === true) plan.bare = true
      else plan.bare = [...(plan.bare === false ? [] : plan.bare), ...eniIds]
    },
  },
} as const satisfies Record<string, ImdsKind>

/** What IMDS may announce: until the fault is taken away, or to the looks that its script names. */
export const NOTICES = {
  'spot-interruption': {
    family: 'notice',
    summary: 'IMDS spot/instance-action: this instance is terminated in --seconds (120)',
    options: [...OF_IMDS, 'seconds'],
    defaults: { seconds: 120 },
    leaves(options, givenAt) {
      const time = isoTime(timeOf(options, givenAt))
      return { ...spotAction('terminate', time), 'meta-data/spot/termination-time': time }
    },
  },
  'spot-stop': {
    family: 'notice',
    summary:
      'IMDS spot/instance-action: this instance is stopped, its ENIs kept, in --seconds (120)',
    options: [...OF_IMDS, 'seconds'],
    defaults: { seconds: 120 },
    leaves: (options, givenAt) => spotAction('stop', isoTime(timeOf(options, givenAt))),
  },
  'rebalance-recommendation': {
    family: 'notice',
    summary: 'IMDS events/recommendations/rebalance: an interruption has become likely',
    options: OF_IMDS,
    leaves: (_options, givenAt) => ({
      'meta-data/events/recommendations/rebalance': JSON.stringify({
        noticeTime: isoTime(givenAt),
      }),
    }),
  },
  'scheduled-event': {
    family: 'notice',
    summary: 'IMDS events/maintenance/scheduled: this instance is retired in --seconds (86400)',
    options: [...OF_IMDS, 'seconds'],
    defaults: { seconds: 86_400 },
    leaves(options, givenAt) {
      const event = {
        NotBefore: timeOf(options, givenAt)
          .toUTCString()
          .replace(/^\w+, /, ''),
        Code: 'instance-retirement',
        Description: 'The instance is running on degraded hardware',
        EventId: 'instance-event-0d59937288b749b32',
        State: 'active',
      }
      return { 'meta-data/events/maintenance/scheduled': JSON.stringify([event]) }
    },
  },
  'target-terminated': {
    family: 'notice',
    summary: 'IMDS autoscaling/target-lifecycle-state: Auto Scaling takes this instance away',
    options: OF_IMDS,
    leaves: () => ({ 'meta-data/autoscaling/target-lifecycle-state': 'Terminated' }),
  },
} as const satisfies Record<string, NoticeKind>

const spotAction = (action: 'terminate' | 'stop', time: string) => ({
  'meta-data/instance-life-cycle': 'spot',
  'meta-data/spot/instance-action': JSON.stringify({ action, time }),
})

const timeOf = (options: FaultOptions, givenAt: Date): Date =>
  new Date(givenAt.getTime() + durationMs(options))

const isoTime = (time: Date): string => time.toISOString().replace(/\.\d+Z$/, 'Z')
