// What this machine has to give to tasks, as ECS registers it: 1024 units a CPU, and the memory less
// what is kept for the rest of the host.

import { availableParallelism, totalmem } from 'node:os'
import type { Capacity } from './orders.ts'

const UNITS_PER_CPU = 1024
const MIB = 1024 * 1024

/** `reservedMiB`: kept for the host itself, as ECS_RESERVED_MEMORY. */
export const capacityOf = (reservedMiB: number): Capacity => ({
  cpuUnits: availableParallelism() * UNITS_PER_CPU,
  memoryMiB: Math.max(0, Math.floor(totalmem() / MIB) - reservedMiB),
})
