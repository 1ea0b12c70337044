// Where a host's machine is written down: /run/enid-lab/<lab>/hosts/<name>.json says which processes
// it is. It outlives a killed lab, as the machine does, so that the next lab of that name finds it
// and goes on with it, or ends it.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { STATE_ROOT, startTicks } from '../state-file.ts'

/** One process, and no other that comes to have its pid. */
export type Process = { readonly pid: number; readonly startTicks: string }

/** A machine as it is written down. */
export type MachineFile = {
  readonly name: string
  readonly instanceId: string
  /** Process 1 of the host: with it all its others end. */
  readonly init: Process
  readonly dockerd?: Process
}

/** The process of that pid, while it lives. */
export function processOf(pid: number): Process | undefined {
  const ticks = startTicks(pid)
  return ticks === undefined ? undefined : { pid, startTicks: ticks }
}

/** Whether that very process lives. */
export const lives = ({ pid, startTicks: ticks }: Process): boolean => startTicks(pid) === ticks

/** The machines that are written down for a lab, alive or not. */
export function machineFiles(lab: string, root = STATE_ROOT): MachineFile[] {
  const folder = folderOf(lab, root)
  return namesIn(folder).flatMap((name) => {
    try {
      const file: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8'))
      return isMachineFile(file) ? [{ ...file, name: basename(name, '.json') }] : []
    } catch {
      return [] // Taken away meanwhile.
    }
  })
}

/** Writes a machine down, whole or not at all. */
export function writeMachine(lab: string, file: MachineFile, root = STATE_ROOT): void {
  const folder = folderOf(lab, root)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const path = join(folder, `${file.name}.json`)
  writeFileSync(`${path}.part`, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o644 })
  renameSync(`${path}.part`, path)
}

/** Strikes a machine out. */
export function eraseMachine(lab: string, name: string, root = STATE_ROOT): void {
  rmSync(join(folderOf(lab, root), `${name}.json`), { force: true })
}

const folderOf = (lab: string, root: string): string => join(root, lab, 'hosts')

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'))
  } catch {
    return [] // No host was ever made.
  }
}

function isMachineFile(file: unknown): file is MachineFile {
  if (typeof file !== 'object' || file === null || !('init' in file)) return false
  return (
    'instanceId' in file &&
    isProcess(file.init) &&
    (!('dockerd' in file) || isProcess(file.dockerd))
  )
}

function isProcess(value: unknown): value is Process {
  if (typeof value !== 'object' || value === null) return false
  return 'pid' in value && Number.isSafeInteger(value.pid) && 'startTicks' in value
}
