// Real packets, sent from inside a task: a web page asked for by the task's own container, and a
// knock at every TCP port from the task's own namespace.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { must, program } from './program.ts'
import type { Range, Scan } from './scan.ts'

/** A task as the demo meets it on this host. */
export type TaskHere = {
  readonly taskId: string
  readonly eniId: string
  readonly ipv4: string
  readonly mac: string
  /** The container that the demo runs its commands in. */
  readonly containerId: string
  /** The path of the task's network namespace, and its number as the kernel names it. */
  readonly netns: string
  readonly netnsInode: number
}

/** Where a task's container and namespace are, by the labels that enid puts on everything. */
export async function locate(
  taskId: string,
  container: string,
): Promise<Pick<TaskHere, 'containerId' | 'netns' | 'netnsInode'>> {
  const find = async (row: string) => {
    const filters = [`label=enid:holder=${taskId}`, `label=enid:row=${row}`]
    const flags = filters.flatMap((filter) => ['--filter', filter])
    const id = (await must('docker', ['ps', '--quiet', '--no-trunc', ...flags])).trim()
    if (id === '') throw new Error(`no container runs for ${row} of task ${taskId}`)
    return id
  }
  const [containerId, sandboxId] = await Promise.all([
    find(`container:${container}`),
    find('sandbox'),
  ])
  const pid = (await must('docker', ['inspect', '--format', '{{.State.Pid}}', sandboxId])).trim()
  const netns = `/proc/${pid}/ns/net`
  return { containerId, netns, netnsInode: statSync(netns).ino }
}

// A dropped packet brings no answer at all; a page takes a millisecond.
const PAGE_TIMEOUT_S = 2

/** The title of the page at an address, asked for inside a task; undefined where nothing answers. */
export async function pageTitle(from: TaskHere, ipv4: string): Promise<string | undefined> {
  const { code, stdout } = await program('docker', [
    ...['exec', from.containerId, '/bin/busybox', 'timeout', String(PAGE_TIMEOUT_S)],
    ...['/bin/busybox', 'wget', '-q', '-O', '-', `http://${ipv4}/`],
  ])
  return code === 0 ? /<title>(.*?)<\/title>/.exec(stdout)?.[1] : undefined
}

/** All TCP ports there are. */
export const EVERY_PORT: Range = { first: 1, last: 65_535 }

/** Knocks at TCP ports of an address from inside a task. */
export async function scanFrom(from: TaskHere, ipv4: string, range: Range): Promise<Scan> {
  const scanner = join(import.meta.dirname, 'scan.ts')
  const ports = [String(range.first), String(range.last)]
  const args = [`--net=${from.netns}`, process.execPath, scanner, ipv4, ...ports]
  return JSON.parse(await must('nsenter', args)) as Scan
}
