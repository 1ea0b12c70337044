// Real packets, sent from inside a task: a web page asked for by the task's own container, and a
// knock at every TCP port from the task's own namespace.

import { join } from 'node:path'
import { must, program } from './program.ts'
import type { Scan } from './scan.ts'

/** A task as the demo meets it on this host. */
export type TaskHere = {
  readonly taskId: string
  readonly eniId: string
  readonly ipv4: string
  readonly mac: string
  /** The container that the demo runs its commands in. */
  readonly containerId: string
  /** The path of the task's network namespace. */
  readonly netns: string
}

/** Where a task's container and namespace are, by the labels that enid puts on everything. */
export async function locate(
  taskId: string,
  container: string,
): Promise<{ containerId: string; netns: string }> {
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
  const format = '{{.NetworkSettings.SandboxKey}}'
  const netns = await must('docker', ['inspect', '--format', format, sandboxId])
  return { containerId, netns: netns.trim() }
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

/** Knocks at TCP ports of an address from inside a task: all 65,535, or one. */
export async function scanFrom(from: TaskHere, ipv4: string, port?: number): Promise<Scan> {
  const scanner = join(import.meta.dirname, 'scan.ts')
  const range = port === undefined ? [] : [String(port)]
  const args = [`--net=${from.netns}`, process.execPath, scanner, ipv4, ...range]
  return JSON.parse(await must('nsenter', args)) as Scan
}
