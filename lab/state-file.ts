// How a lab is found: /run/enid-lab/<name>/lab.json says which process it is and where it listens.
// It is written once the lab is ready and removed when it ends; a killed lab leaves it behind, so
// a reader asks whether that very process still lives (pid and start time, since pids come again).

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where labs are found. */
export const STATE_ROOT = '/run/enid-lab'

/** What lab.json says. */
export type LabFile = {
  readonly name: string
  readonly pid: number
  /** Clock ticks from boot to the start of that process: field 22 of /proc/<pid>/stat. */
  readonly startTicks: string
  readonly port: number
  readonly startedAt: string
}

/** The lab of that name that is running now, if there is one. */
export function runningLab(name: string, root: string = STATE_ROOT): LabFile | undefined {
  const file = read(join(root, name, 'lab.json'))
  return file !== undefined && startTicks(file.pid) === file.startTicks ? file : undefined
}

/** Says where this process's lab is found. */
export function announce(name: string, port: number, root: string = STATE_ROOT): void {
  const file: LabFile = {
    name,
    pid: process.pid,
    startTicks: startTicks(process.pid) ?? '',
    port,
    startedAt: new Date().toISOString(),
  }
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const whole = join(folder, 'lab.json')
  const part = `${whole}.${process.pid}`
  writeFileSync(part, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o644 })
  renameSync(part, whole)
}

/** Takes the announcement back. */
export function withdraw(name: string, root: string = STATE_ROOT): void {
  rmSync(join(root, name), { recursive: true, force: true })
}

function read(path: string): LabFile | undefined {
  try {
    const file: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return isLabFile(file) ? file : undefined
  } catch {
    return undefined // None, or half of one: no lab has announced itself.
  }
}

function isLabFile(file: unknown): file is LabFile {
  if (typeof file !== 'object' || file === null) return false
  return 'pid' in file && Number.isSafeInteger(file.pid) && 'startTicks' in file && 'port' in file
}

/**
 * Clock ticks from boot to the start of that process; undefined when it is gone, or dead and nobody
 * has asked how. With the pid it names one process: pids come again.
 */
export function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state = '', ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return 'ZX'.includes(state) ? undefined : rest[18]
  } catch {
    return undefined
  }
}
