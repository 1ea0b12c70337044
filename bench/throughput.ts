// How much one TCP stream carries between two ENIs, and between two namespaces on a bridge made as
// docker makes its own: in turns, in the same run, so that whatever else the machine does falls on
// both. No docker: what its rules and br_netfilter would cost is spared the bridge.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** A place to run a program in, by the path of its namespace, and the address that others reach. */
export type Place = { readonly netnsPath: string; readonly ipv4: string }

/** One stream: gigabits per second of the clock, and of the two programs' processor time. */
export type Stream = { readonly perSecond: number; readonly perCpuSecond: number }
export type Rounds = { readonly eni: readonly Stream[]; readonly bridge: readonly Stream[] }

/** Measures both in turns. Each round is one stream of that many seconds. */
export async function compare(
  enis: readonly [Place, Place],
  bridge: readonly [Place, Place],
  rounds: number,
  seconds: number,
): Promise<Rounds> {
  const figures = { eni: [] as Stream[], bridge: [] as Stream[] }
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, so that neither always has the warmer machine.
    const order = round % 2 === 0 ? (['eni', 'bridge'] as const) : (['bridge', 'eni'] as const)
    for (const which of order) {
      figures[which].push(await stream(which === 'eni' ? enis : bridge, seconds))
    }
  }
  return figures
}

/** Two namespaces on a bridge as docker sets up its own; `remove` takes all of it away. */
export function makeBridge(name: string): { places: [Place, Place]; remove: () => void } {
  const ip = (...args: string[]): void => void execFileSync('ip', args)
  const link = `${name}br`
  const place = (n: number): Place => {
    const netns = `${name}-${n}`
    const [near, far] = [`${name}v${n}`, `${name}c${n}`]
    ip('netns', 'add', netns)
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', netns)
    ip('link', 'set', near, 'master', link, 'up')
    const ipv4 = `172.31.255.${n + 1}`
    ip('-n', netns, 'addr', 'add', `${ipv4}/24`, 'dev', far)
    ip('-n', netns, 'link', 'set', far, 'up')
    return { netnsPath: `/run/netns/${netns}`, ipv4 }
  }
  ip('link', 'add', link, 'type', 'bridge')
  ip('addr', 'add', '172.31.255.1/24', 'dev', link)
  ip('link', 'set', link, 'up')
  const places: [Place, Place] = [place(1), place(2)]
  return {
    places,
    remove() {
      for (const n of [1, 2]) ip('netns', 'del', `${name}-${n}`)
      ip('link', 'del', link)
    },
  }
}

async function stream([from, to]: readonly [Place, Place], seconds: number): Promise<Stream> {
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
