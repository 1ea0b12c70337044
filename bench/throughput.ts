// How much one TCP stream carries between two places (pump.mjs), and two such places on docker's bridge.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { openDocker } from '../agent/drivers/docker.ts'
import { pauseImage } from '../agent/drivers/pause/image.ts'

/** A place to run a program in, by the path of its namespace, and the address that others reach. */
export type Place = { readonly netnsPath: string; readonly ipv4: string }

/** One stream: gigabits per second of the clock, and of the two programs' processor time. */
export type Stream = { readonly perSecond: number; readonly perCpuSecond: number }

/** Two containers on docker's own bridge, of an image that is carried along. `remove` ends them. */
export async function runContainers(): Promise<{ places: [Place, Place]; remove: () => void }> {
  const { reference, ensureIn } = pauseImage()
  await ensureIn(openDocker(), AbortSignal.timeout(30_000))
  const docker = (...args: string[]): string =>
    execFileSync('docker', args, { encoding: 'utf8' }).trim()
  const ids: string[] = []
  const place = (): Place => {
    const id = docker('run', '--detach', '--rm', reference)
    ids.push(id)
    const format = '{{.NetworkSettings.SandboxKey}} {{.NetworkSettings.Networks.bridge.IPAddress}}'
    const [netnsPath = '', ipv4 = ''] = docker('inspect', '--format', format, id).split(' ')
    return { netnsPath, ipv4 }
  }
  const remove = () => ids.length > 0 && docker('rm', '--force', ...ids)
  try {
    return { places: [place(), place()], remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** One stream from the first to the second, of so many seconds. */
export async function stream(
  [from, to]: readonly [Place, Place],
  seconds: number,
): Promise<Stream> {
  const sink = within(to, ['sink'])
  const [first] = await once(sink.stdout, 'data')
  const port = String(first).trim()
  const source = within(from, ['source', to.ipv4, port, String(seconds)])
  let said = ''
  sink.stdout.on('data', (data: Buffer) => {
    said += data
  })
  let wrote = ''
  source.stdout.on('data', (data: Buffer) => {
    wrote += data
  })
  await Promise.all([once(source, 'close'), once(sink, 'close')])
  const { bytes, ms, cpuMs } = JSON.parse(said)
  if (!(bytes > 0)) throw new Error(`nothing came from ${from.ipv4} to ${to.ipv4}`)
  const gigabits = (bytes * 8) / 1e9
  const cpuSeconds = (cpuMs + JSON.parse(wrote).cpuMs) / 1000
  return { perSecond: gigabits / (ms / 1000), perCpuSecond: gigabits / cpuSeconds }
}

function within({ netnsPath }: Place, args: string[]) {
  const program = [process.execPath, join(import.meta.dirname, 'pump.mjs'), ...args]
  return spawn('nsenter', [`--net=${netnsPath}`, ...program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
