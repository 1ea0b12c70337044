// Rules about cpu and memory. Applied once more to what a RunTask overrides.

import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import type { CgroupSpec } from '../../state/spec.ts'
import { clientError } from '../aws-error.ts'
import { readSize } from '../task-size.ts'
import type { Rule } from './rule.ts'
import { checkRange, containersOf } from './rule.ts'

/** The largest cpu.shares that the kernel takes (cgroup v1, and what v2 weights map from). */
const CPU_MAX = 262_144

/** Docker's smallest memory limit, MiB; ECS refuses less as well. */
const MEMORY_MIN = 6

/** The largest number of 32 bits, MiB: far beyond any host. */
const MEMORY_MAX = 2 ** 31 - 1

/** The rules for one container, with the path to name it by, in a task of so much memory. */
export function checkSizes(
  container: ContainerDefinition,
  path: string,
  taskMemoryMiB: number | undefined,
): void {
  const { name, cpu, memory, memoryReservation } = container
  checkRange(`${path}.cpu`, cpu, [0, CPU_MAX], ' units (1024 are one CPU)')
  checkRange(`${path}.memory`, memory, [MEMORY_MIN, MEMORY_MAX], ' MiB')
  checkRange(`${path}.memoryReservation`, memoryReservation, [MEMORY_MIN, MEMORY_MAX], ' MiB')
  if (memory === undefined && memoryReservation === undefined && taskMemoryMiB === undefined) {
    throw clientError(
      `${path}.memory`,
      `Invalid setting for container '${name}'. ` +
        "At least one of 'memory' or 'memoryReservation' must be specified",
      'Or give the whole task its memory',
    )
  }
  if (memory !== undefined && memoryReservation !== undefined && memory < memoryReservation) {
    throw clientError(
      `${path}.memory`,
      `${memory} MiB is less than memoryReservation (${memoryReservation} MiB), ` +
        'but the hard limit must be at least the soft one',
    )
  }
}

/** Every container must fit, and all together. Throws ClientException; `paths` name the containers. */
export function checkFits(
  containers: readonly ContainerDefinition[],
  { cpuUnits, memoryMiB }: CgroupSpec,
  paths: readonly string[],
): void {
  for (const [index, container] of containers.entries()) {
    const path = paths[index] ?? ''
    checkSizes(container, path, memoryMiB)
    const { name, memory = 0 } = container
    if (memoryMiB === undefined || memory <= memoryMiB) continue
    const rule = `The 'memory' setting for container '${name}' is greater than for the task`
    throw clientError(`${path}.memory`, `${rule} (${memory} MiB, and ${memoryMiB} MiB)`)
  }
  const reserved = sum(containers.map((c) => c.memoryReservation ?? c.memory ?? 0))
  if (memoryMiB !== undefined && reserved > memoryMiB) {
    const rule = `the containers reserve ${reserved} MiB together, more than the task's ${memoryMiB} MiB`
    throw clientError(
      'memory',
      rule,
      'Raise it, or lower memoryReservation (or memory) of containers',
    )
  }
  const units = sum(containers.map((c) => c.cpu ?? 0))
  if (cpuUnits === undefined || units <= cpuUnits) return
  const rule = `the containers have ${units} CPU units together, more than the task's ${cpuUnits}`
  throw clientError('cpu', rule, 'Raise it, or lower cpu of containers')
}

export const memory: Rule = (definition) => {
  const all = containersOf(definition)
  const containers = all.map(({ container }) => container)
  checkFits(
    containers,
    readSize(definition),
    all.map(({ path }) => path),
  )
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
