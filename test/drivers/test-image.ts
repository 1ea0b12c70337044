// An image for tests, made of Debian's static busybox, under a name of its own; and Docker as its
// command sees it, which is the oracle.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { openDocker } from '../../agent/drivers/docker.ts'
import { tarOf } from '../../agent/drivers/pause/image.ts'
import { never } from './jobs.ts'

const run = promisify(execFile)

/** Where Debian and Ubuntu put the static busybox (package busybox-static). */
const BUSYBOX = '/bin/busybox'

/** One layer: `/busybox`, which is every program. */
export const busyboxLayer = (): Buffer => tarOf('busybox', readFileSync(BUSYBOX))

/** A command line for busybox's shell. */
export const sh = (line: string): string[] => ['/busybox', 'sh', '-c', line]

/** Imports the image under a name that nothing else has; `dockerHost` as DOCKER_HOST has it. */
export async function importTestImage(dockerHost?: string): Promise<string> {
  const repository = 'enid-test/app'
  const tag = randomBytes(4).toString('hex')
  await openDocker(dockerHost).importImage(
    busyboxLayer(),
    { repository, tag, changes: [] },
    never(),
  )
  return `${repository}:${tag}`
}

/** Runs the docker command and returns what it printed. */
export async function docker(...parameters: string[]): Promise<string> {
  return (await run('docker', parameters)).stdout.trim()
}

/** `docker inspect` of one thing. */
export async function inspect<T>(id: string): Promise<T> {
  return (JSON.parse(await docker('inspect', id)) as T[])[0] as T
}

/** Names of containers, running or not, that wear this label. */
export async function wearing(key: string, value: string): Promise<string[]> {
  const filter = ['--filter', `label=${key}=${value}`, '--format', '{{.Names}}']
  return (await docker('ps', '--all', ...filter)).split('\n').filter((name) => name !== '')
}
