// Rules about the order in which containers start.

import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { containersOf } from './rule.ts'

const CONDITIONS = ['START', 'COMPLETE', 'SUCCESS', 'HEALTHY']

/** Every edge leads to another container of this task, once, with a condition that can come true. */
export const dependencies: Rule = (definition) => {
  const byName = new Map(containersOf(definition).map((c) => [c.container.name, c.container]))
  for (const { path, name, edge, others } of edgesOf(definition)) {
    const { containerName, condition } = edge
    const target = byName.get(containerName)
    const at = `${path}.containerName`
    if (containerName === undefined) throw clientError(at, 'is required')
    if (target === undefined) {
      const known = [...byName.keys()].join(', ')
      throw clientError(at, `${shown(containerName)} is no container of this task: ${known}`)
    }
    if (containerName === name) throw clientError(at, `${shown(name)} cannot wait for itself`)
    if (others.includes(containerName)) {
      throw clientError(at, `${shown(name)} waits for ${shown(containerName)} twice`)
    }
    if (condition === undefined || !CONDITIONS.includes(condition)) {
      const rule = `${shown(condition)}: a condition is ${CONDITIONS.join(', ')}`
      throw clientError(`${path}.condition`, rule)
    }
    if (condition === 'HEALTHY' && target.healthCheck === undefined) {
      throw clientError(
        `${path}.condition`,
        `HEALTHY, but container ${shown(containerName)} has no health check, so it never would be`,
        'Give it a healthCheck, or wait for START',
      )
    }
    if (['COMPLETE', 'SUCCESS'].includes(condition) && target.essential !== false) {
      throw clientError(
        `${path}.condition`,
        `${condition}, but container ${shown(containerName)} is essential: its exit stops the task`,
        'Set essential to false on it',
      )
    }
  }
}

/** No container may wait, over however many others, for itself. */
export const noCycle: Rule = (definition) => {
  const waitsFor = new Map(
    containersOf(definition).map(({ container }) => [
      container.name,
      [
        ...(container.dependsOn ?? []).map(({ containerName }) => containerName),
        // Docker mounts from a container that is there: it starts first.
        ...(container.volumesFrom ?? []).map(({ sourceContainer }) => sourceContainer),
      ],
    ]),
  )
  const isDone = new Set<string | undefined>()
  const visit = (name: string | undefined, way: readonly (string | undefined)[]): void => {
    if (isDone.has(name)) return
    if (way.includes(name)) {
      const cycle = [...way.slice(way.indexOf(name)), name].join(' → ')
      throw clientError(
        'containerDefinitions',
        `dependsOn and volumesFrom go round in a cycle: ${cycle}`,
      )
    }
    for (const next of waitsFor.get(name) ?? []) visit(next, [...way, name])
    isDone.add(name)
  }
  for (const name of waitsFor.keys()) visit(name, [])
}

const edgesOf = (definition: Parameters<Rule>[0]) =>
  containersOf(definition).flatMap(({ container, path }) =>
    (container.dependsOn ?? []).map((edge, index, all) => ({
      edge,
      name: container.name,
      others: all.slice(0, index).map(({ containerName }) => containerName),
      path: `${path}.dependsOn[${index}]`,
    })),
  )
