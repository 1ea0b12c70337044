// How much one TCP stream carries between two ENIs, and between two namespaces on a bridge made as
// docker makes its own: in turns, in the same run, so that whatever else the machine does falls on
// both. No dockerd is needed: the bridge has its rules, and br_netfilter where the kernel has it.

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

/**
 * Two namespaces on a bridge as docker sets up its own, with the rules of its that a packet between
 * two containers meets; in a namespace of its own, so that no rule of this host is in the way.
 * `remove` takes all of it away.
 */
export function makeBridge(name: string): { places: [Place, Place]; remove: () => void } {
  const host = `${name}-0`
  const ip = (...args: string[]): void => void execFileSync('ip', args)
  const place = (n: number): Place => {
    const netns = `${name}-${n}`
    ip('netns', 'add', netns)
    const veth = ['link', 'add', `v${n}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns]
    ip('-n', host, ...veth)
    ip('-n', host, 'link', 'set', `v${n}`, 'master', 'docker0', 'up')
    const ipv4 = `172.17.0.${n + 1}`
    ip('-n', netns, 'addr', 'add', `${ipv4}/16`, 'dev', 'eth0')
    ip('-n', netns, 'link', 'set', 'eth0', 'up')
    return { netnsPath: `/run/netns/${netns}`, ipv4 }
  }
  ip('netns', 'add', host)
  ip('-n', host, 'link', 'add', 'docker0', 'type', 'bridge')
  ip('-n', host, 'addr', 'add', '172.17.0.1/16', 'dev', 'docker0')
  ip('-n', host, 'link', 'set', 'docker0', 'up')
  execFileSync('ip', ['netns', 'exec', host, 'nft', '-f', '-'], { input: DOCKER_RULES })
  const places: [Place, Place] = [place(1), place(2)]
  return {
    places,
    remove() {
      for (const n of [1, 2, 0]) ip('netns', 'del', `${name}-${n}`)
    },
  }
}

/** What docker's iptables rules come to for a bridge without published ports (dockerd 20 to 28). */
const DOCKER_RULES = `
table ip filter {
  chain DOCKER-USER { return; }
  chain DOCKER-CT { oifname "docker0" ct state related,established accept; }
  chain DOCKER-FORWARD {
    jump DOCKER-CT
    oifname "docker0" iifname != "docker0" drop
    iifname "docker0" accept
  }
  chain FORWARD {
    type filter hook forward priority 0; policy drop;
    jump DOCKER-USER
    jump DOCKER-FORWARD
  }
}
table ip nat {
  chain POSTROUTING {
    type nat hook postrouting priority 100;
    ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
  }
}
`

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
