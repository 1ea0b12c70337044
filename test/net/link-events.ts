// Watches the links of this namespace come and go, through `ip monitor`: an independent ear, and no
// polling, so that a link that was there for a moment is not missed.

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

type What = 'came' | 'went'

/** An ear on links, by MAC. */
export type LinkWatch = Disposable & {
  /** Resolves at the next event of that kind that has not been waited for. */
  until(mac: string, what: What): Promise<void>
  /** All events of that MAC so far. */
  seen(mac: string): What[]
}

/** Begins to watch, and resolves when nothing can be missed any more. Disposing ends it. */
export async function watchLinks(): Promise<LinkWatch> {
  const child: ChildProcess = spawn('ip', ['monitor', 'link'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const events: { readonly mac: string; readonly what: What }[] = []
  const heard = new Map<string, number>()
  const present = new Set<string>()
  let wake = Promise.withResolvers<void>()
  let rest = ''
  let deleted = false
  child.stdout?.on('data', (data: Buffer) => {
    const lines = (rest + data).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (/^(Deleted )?\d+: /.test(line)) deleted = line.startsWith('Deleted ')
      const mac = /^\s+link\/ether (\S+)/.exec(line)?.[1]
      if (mac === undefined || present.has(mac) === !deleted) continue
      if (deleted) present.delete(mac)
      else present.add(mac)
      events.push({ mac, what: deleted ? 'went' : 'came' })
    }
    wake.resolve()
  })
  while (!listens(child.pid)) await setTimeout(2)
  return {
    async until(mac, what) {
      for (;;) {
        const from = heard.get(mac) ?? 0
        const at = events.findIndex((e, i) => i >= from && e.mac === mac && e.what === what)
        if (at >= 0) {
          heard.set(mac, at + 1)
          return
        }
        wake = Promise.withResolvers()
        await wake.promise
      }
    },
    seen: (mac) => events.flatMap((event) => (event.mac === mac ? [event.what] : [])),
    [Symbol.dispose]: () => void child.kill(),
  }
}

/** Whether the process has a netlink socket that is bound to groups: it says so nowhere itself. */
function listens(pid: number | undefined): boolean {
  const rows = readFileSync('/proc/net/netlink', 'utf8').split('\n')
  return rows.some((row) => {
    const [, protocol, port, groups = '0'] = row.trim().split(/\s+/)
    return protocol === '0' && port === String(pid) && Number.parseInt(groups, 16) !== 0
  })
}
