// A task in our own words, for operators: what it holds row by row, how long each step took, and
// what it waits for. Times are ISO 8601, durations milliseconds.

import { isProtected } from '../../state/protection.ts'
import type { HolderId } from '../../state/spec.ts'
import { attachmentStatus, containerStatus, lastStatus } from '../../state/status.ts'
import { rowState, rows } from '../../state/task.ts'
import type { StepTime, Timeline } from '../../state/timeline.ts'
import type { Api, Task } from '../api.ts'
import { taskArn } from '../arn.ts'
import { detailsOf } from '../task-view.ts'

/** One task as GET /tasks lists it. */
export function taskSummary(api: Api, { entry, asked }: Task) {
  const { id, holder, timeline } = entry
  return {
    taskId: id,
    taskArn: taskArn(api.orders.host, asked.cluster, id),
    cluster: asked.cluster,
    family: asked.family,
    revision: asked.revision,
    group: asked.group,
    ...(asked.startedBy === undefined ? {} : { startedBy: asked.startedBy }),
    lastStatus: lastStatus(holder),
    desiredStatus: holder.desired === 'running' ? 'RUNNING' : 'STOPPED',
    ...(holder.stop === undefined
      ? {}
      : { stopCode: holder.stop.code, stoppedReason: holder.stop.reason }),
    ...(isProtected(holder, Date.now()) && {
      protectedUntil: new Date(holder.protectedUntil as number).toISOString(),
    }),
    ...moments(timeline),
    enis: holder.spec.enis.map((spec, n) => {
      const eni = detailsOf(holder, 'eni', `eni:${n}`)
      return {
        status: attachmentStatus(holder, n),
        ...eni,
        // What EC2 put on it: the VPC's default group where none was asked for.
        securityGroupIds: eni?.securityGroupIds ?? spec.securityGroupIds,
        ...publicIpv4Of(holder, n),
        // Ordered, and not in force yet.
        ...(eni !== undefined && (spec.groupsOrder ?? 0) !== (eni.groupsOrder ?? 0)
          ? { securityGroupIdsWanted: spec.securityGroupIds }
          : {}),
      }
    }),
    containers: holder.spec.containers.map(({ name, image, essential, restart }) => {
      const { exitCode, healthy, restartCount = 0 } = holder.facts[name] ?? {}
      const { containerId } = detailsOf(holder, 'container', `container:${name}`) ?? {}
      return {
        name,
        image,
        essential,
        lastStatus: containerStatus(holder, name),
        ...(exitCode === undefined ? {} : { exitCode }),
        ...(healthy === undefined ? {} : { healthy }),
        // As task metadata has it: only where there is a policy.
        ...(restart === undefined ? {} : { restartCount }),
        ...(containerId === undefined ? {} : { containerId }),
      }
    }),
    waiting: api.orders.waiting(id).map(({ nextTryAt, ...rest }) => ({
      ...rest,
      nextTryAt: new Date(nextTryAt).toISOString(),
    })),
    findings: findingsOf(api, id),
  }
}

function publicIpv4Of(holder: Task['entry']['holder'], n: number): { publicIpv4?: string } {
  const publicIpv4 = detailsOf(holder, 'publicIp', `publicIp:${n}`)?.publicIpv4
  return publicIpv4 === undefined ? {} : { publicIpv4 }
}

/** What the sweep last found about a task that does not agree with what it should hold. */
export function findingsOf(api: Api, id: HolderId) {
  return api.orders.noticed(id).map(({ holderId: _, seenAt, ...rest }) => ({
    ...rest,
    seenAt: new Date(seenAt).toISOString(),
  }))
}

/** One task as GET /tasks/:id shows it: everything that is known. */
export function taskDetail(api: Api, task: Task) {
  const { holder, timeline } = task.entry
  const summary = taskSummary(api, task)
  return {
    ...summary,
    tags: api.catalog.tags(summary.taskArn),
    overrides: task.asked.overrides,
    rows: rows(holder.spec).map(({ id, needs }) => {
      const { is, ...known } = rowState(holder, id)
      return { row: id, is, needs: needs.map(({ row }) => row), ...known }
    }),
    steps: timeline.steps.map((step) => stepView(timeline, step)),
  }
}

/** One that was not done has `gaveUp`, and `failure` where it failed; one under way no `durationMs`. */
function stepView({ createdAt }: Timeline, { beganAt, doneAt, gaveUpAt, ...step }: StepTime) {
  const endedAt = doneAt ?? gaveUpAt
  return {
    ...step,
    beganAt: new Date(beganAt).toISOString(),
    afterMs: beganAt - createdAt,
    ...(endedAt !== undefined && { durationMs: endedAt - beganAt }),
    ...(gaveUpAt !== undefined && { gaveUp: true }),
  }
}

function moments({
  steps: _,
  latestAt: __,
  forgotten: ___,
  ...times
}: Timeline): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(times).map(([moment, at]) => [moment, new Date(at).toISOString()]),
  )
}
