// What Docker shows of a task's containers at this moment, for its own eyes (the metadata endpoint).

import type { Journal } from '../state/journal.ts'
import type { HolderId } from '../state/spec.ts'
import { rowState } from '../state/task.ts'
import type { ContainerFacts, Docker } from './drivers/docker.ts'
import type { Inspected } from './orders.ts'

const TIMEOUT_MS = 4_000

type World = { readonly journal: Journal; readonly docker: Docker }

/** Each container of the task that Docker shows, by its name in the task. */
export async function inspectTask(
  { journal, docker }: World,
  id: HolderId,
): Promise<ReadonlyMap<string, Inspected>> {
  const names = journal.get(id)?.holder.spec.containers.map(({ name }) => name) ?? []
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const seen = await Promise.all(
    names.map(async (name) => {
      const containerId = containerIdOf(journal, id, name)
      const facts =
        containerId === undefined ? undefined : await docker.inspect(containerId, signal)
      return facts === undefined ? [] : [[name, inspected(facts)] as const]
    }),
  )
  return new Map(seen.flat())
}

/** The container of a row, as the journal knows it; undefined before it was made, and after it went. */
export function containerIdOf(journal: Journal, id: HolderId, name: string): string | undefined {
  const holder = journal.get(id)?.holder
  const state = holder && rowState(holder, `container:${name}`)
  if (state === undefined || state.is === 'none') return undefined
  return (state.details as { containerId?: string } | undefined)?.containerId
}

/** Docker writes this for a moment that has not come. */
const NEVER = /^0001-/

function inspected(facts: ContainerFacts): Inspected {
  const { State: state, HostConfig: hostConfig } = facts
  const moment = (text: string | undefined) => (text && !NEVER.test(text) ? text : undefined)
  const startedAt = moment(state.StartedAt)
  const finishedAt = moment(state.FinishedAt)
  const lastCheck = state.Health?.Log?.at(-1)
  return {
    dockerId: facts.Id,
    dockerName: facts.Name.replace(/^\//, ''),
    imageId: facts.Image,
    labels: facts.Config.Labels ?? {},
    createdAt: facts.Created,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined || state.Running ? {} : { finishedAt }),
    ...(lastCheck === undefined
      ? {}
      : {
          check: {
            at: String(lastCheck.End),
            exitCode: lastCheck.ExitCode,
            output: lastCheck.Output,
          },
        }),
    mounts: facts.Mounts.map(({ Name: name, Source: source, Destination: destination }) => ({
      ...(name === undefined ? {} : { name }),
      source,
      destination,
    })),
    log: { driver: hostConfig.LogConfig?.Type ?? '', options: hostConfig.LogConfig?.Config ?? {} },
  }
}
