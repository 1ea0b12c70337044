// Rules about cpu and memory. Applied once more to what a RunTask overrides.

import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { clientError } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkRange, containersOf } from './rule.ts'

/** The largest cpu.shares that the kernel takes (cgroup v1, and what v2 weights map from). */
const CPU_MAX = 262_144

/** Docker's smallest memory limit, MiB; ECS refuses less as well. */
const MEMORY_MIN = 6

/** The largest number of 32 bits, MiB: far beyond any host. */
const MEMORY_MAX = 2 ** 31 - 1

/** The rules for one container, with the path to name it by. */
export function checkSizes(container: ContainerDefinition, path: string): void {
  const { name, cpu, memory, memoryReservation } = container
  checkRange(`${path}.cpu`, cpu, [0, CPU_MAX], ' units (1024 are one CPU)')
  checkRange(`${path}.memory`, memory, [MEMORY_MIN, MEMORY_MAX], ' MiB')
  checkRange(`${path}.memoryReservation`, memoryReservation, [MEMORY_MIN, MEMORY_MAX], ' MiB')
  if (memory === undefined && memoryReservation === undefined) {
    throw clientError(
      `${path}.memory`,
      `Invalid setting for container '${name}'. ` +
        "At least one of 'memory' or 'memoryReservation' must be specified",
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

export const memory: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) checkSizes(container, path)
}
