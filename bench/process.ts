// What a process costs, as the kernel counts it.

import { readdirSync, readFileSync } from 'node:fs'

/** Processor time of all its threads that live, kernel work on its behalf included, milliseconds. */
export function cpuMs(pid: number): number {
  const tasks = `/proc/${pid}/task`
  const run = (task: string): string => readFileSync(`${tasks}/${task}/schedstat`, 'utf8')
  return readdirSync(tasks).reduce((sum, task) => sum + Number(run(task).split(' ')[0]) / 1e6, 0)
}

/** Resident memory, MiB. */
export function rssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}
