// What a task as a whole may use, in the kernel's words: a spec in, files and their texts out. Pure.
// As the ECS agent sets it: a quota where the task says how much CPU, else the weight of its
// containers together; memory; swap is not limited.

import type { Spec } from '../../../state/spec.ts'

/** A file of the controller, and what is written into it. */
export type Limit = {
  readonly controller: 'cpu' | 'memory'
  readonly file: string
  readonly text: string
}

/** Docker's CPU shares: the kernel's least, and its most. */
const SHARES = { min: 2, max: 262_144 }
/** 100 ms, ECS's ECS_CGROUP_CPU_PERIOD and the kernel's own; µs. */
const PERIOD_US = 100_000
const UNITS_PER_CPU = 1024
const MIB = 1024 * 1024

/** The limits of a task, for version 1 or 2 of the kernel's interface. */
export function limitsOf({ cgroup = {}, containers }: Spec, version: 1 | 2): Limit[] {
  const { cpuUnits, memoryMiB } = cgroup
  const quota = Math.floor(((cpuUnits ?? 0) / UNITS_PER_CPU) * PERIOD_US)
  const sum = containers.reduce((all, one) => all + Math.max(SHARES.min, one.cpuShares ?? 0), 0)
  const shares = Math.min(SHARES.max, Math.max(SHARES.min, sum))
  const bytes = String((memoryMiB ?? 0) * MIB)
  const cpu = (file: string, text: string): Limit => ({ controller: 'cpu', file, text })
  const memory = (file: string): Limit => ({ controller: 'memory', file, text: bytes })
  if (version === 2) {
    return [
      cpuUnits === undefined
        ? cpu('cpu.weight', String(weightOf(shares)))
        : cpu('cpu.max', `${quota} ${PERIOD_US}`),
      ...(memoryMiB === undefined ? [] : [memory('memory.max')]),
    ]
  }
  return [
    ...(cpuUnits === undefined
      ? [cpu('cpu.shares', String(shares))]
      : [cpu('cpu.cfs_period_us', String(PERIOD_US)), cpu('cpu.cfs_quota_us', String(quota))]),
    ...(memoryMiB === undefined ? [] : [memory('memory.limit_in_bytes')]),
  ]
}

/** Version 2 knows weights from 1 to 10000: the mapping of runc and systemd. */
const weightOf = (shares: number): number =>
  1 + Math.floor(((shares - SHARES.min) * 9999) / (SHARES.max - SHARES.min))
