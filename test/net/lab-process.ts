// Starts labs as processes, speaks to their own routes, and looks from outside at what they leave.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { EC2Client } from '@aws-sdk/client-ec2'
import { hostLinksMarked, namespaces } from './fabric-rig.ts'

/** A lab that runs. */
export type LabProcess = {
  readonly name: string
  readonly endpoint: string
  readonly child: ChildProcess
  /** What it said when it came up. */
  readonly ready: { readonly port: number; readonly tookOver: boolean; readonly eniCount: number }
  /** Asks one of the lab's own routes; rejects when it is refused. */
  ask<T>(method: string, path: string, body?: object): Promise<T>
  /** Sends a signal and waits for the end; the exit code, or the signal it died of. */
  end(signal?: NodeJS.Signals): Promise<number | string>
}

/** Starts a lab and waits until it is ready. Rejects with what it said when it does not come up. */
export async function startLab(name: string, port = 0, ...more: string[]): Promise<LabProcess> {
  const script = new URL('./lab-child.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, name, String(port), ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data: Buffer) => {
    said += data
  })
  const ready = await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
  const told = readyLine(String(ready[0]), said)
  const endpoint = `http://127.0.0.1:${told.port}`
  return {
    name,
    endpoint,
    child,
    ready: told,
    async ask(method, path, body) {
      const response = await fetch(`${endpoint}/lab/${path}`, {
        method,
        ...(body && {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        }),
      })
      const answer = await response.json()
      if (!response.ok) throw new Error(JSON.stringify(answer))
      return answer as never
    },
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal)
        await once(child, 'exit')
      }
      return child.exitCode ?? child.signalCode ?? 'unknown'
    },
  }
}

/** An unmodified SDK client that speaks to this lab and repeats nothing. */
export const clientOf = ({ endpoint }: LabProcess): EC2Client =>
  new EC2Client({
    endpoint,
    region: 'us-west-2',
    maxAttempts: 1,
    credentials: { accessKeyId: 'enid-lab', secretAccessKey: 'enid-lab' },
  })

/** What a lab of that name has left on this machine, in words; empty when nothing. */
export function leftovers(name: string): string[] {
  const state = [`/run/enid-lab/${name}`, `/var/lib/enid-lab/${name}`]
  return [
    ...namespaces().filter((each) => each.startsWith(`enid-lab-${name}`)),
    ...[`enid-lab:${name}:`, `enid-lab-way:${name}:`]
      .flatMap(hostLinksMarked)
      .map(({ ifname }) => String(ifname)),
    ...hostTables().filter((each) => each === `enid-lab-${name}`),
    ...state.filter((path) => existsSync(path)),
    ...filesOfNamespaces().filter((each) => each.startsWith(`enid-lab-${name}`)),
  ]
}

/** The names of the nftables tables of the namespace this process runs in. */
const hostTables = (): string[] =>
  JSON.parse(execFileSync('nft', ['-j', 'list', 'tables'], { encoding: 'utf8' })).nftables.flatMap(
    ({ table }: { table?: { name: string } }) => table?.name ?? [],
  )

const filesOfNamespaces = (): string[] =>
  existsSync('/etc/netns') ? readdirSync('/etc/netns') : []

function readyLine(line: string, said: string): LabProcess['ready'] {
  if (!line.startsWith('{')) throw new Error(said)
  return JSON.parse(line)
}
