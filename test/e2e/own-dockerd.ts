// A dockerd of a test's own, so that killing it disturbs nobody, with a containerd beside it as on a
// host with systemd: one that dockerd starts itself would die with it. `reboot` leaves what a reboot
// of the host leaves: no process, no mount, nothing under /run; what Docker keeps on the disk.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, globSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { must, program } from '../../scripts/demo/program.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export class OwnDockerd {
  readonly #folder = mkdtempSync('/tmp/enid-dockerd-')
  readonly #flags: readonly string[]
  #containerd: ChildProcess | undefined
  #process: ChildProcess | undefined
  /** DOCKER_HOST's value. */
  readonly host = `unix://${join(this.#folder, 'docker.sock')}`

  /** With live-restore containers outlive dockerd; without, dockerd ends them when it comes back. */
  constructor({ liveRestore }: { liveRestore: boolean }) {
    this.#flags = liveRestore ? ['--live-restore'] : []
  }

  /** Starts it, and its containerd where that does not run, and waits until it answers. */
  async start(): Promise<void> {
    const at = (name: string) => join(this.#folder, name)
    if (this.#containerd === undefined) {
      const place = ['--root', at('c'), '--state', at('s'), '--address', at('c.sock')]
      this.#containerd = this.#spawn(['containerd', '--config', '/dev/null', ...place])
    }
    // In a network namespace of its own: `--bridge none` takes away the docker0 that it finds.
    this.#process = this.#spawn([
      ...['unshare', '--net', 'dockerd', '--data-root', at('data'), '--exec-root', at('exec')],
      ...['--pidfile', at('pid')],
      ...['--host', this.host, '--bridge', 'none', '--iptables=false', '--ip-masq=false'],
      ...['--containerd', at('c.sock'), ...this.#flags],
    ])
    for (let turn = 0; turn < 400; turn++) {
      const env = { DOCKER_HOST: this.host }
      if ((await program('docker', ['info'], { timeoutMs: 5_000, env })).code === 0) return
      await pause(50)
    }
    throw new Error(`dockerd does not come up; its log is ${at('log')}`)
  }

  /** Ends dockerd and leaves its containerd. */
  async end(signal: NodeJS.Signals): Promise<void> {
    await endOf(this.#process, signal)
  }

  /** The power goes: every process of ours dies at once, and what is not on the disk is gone. */
  async powerOff(): Promise<void> {
    await Promise.all([endOf(this.#process, 'SIGKILL'), endOf(this.#containerd, 'SIGKILL')])
    this.#containerd = undefined
    const shims = this.#shimPids()
    const pids = [...shims, ...childrenOf(shims)]
    for (const pid of pids) kill(pid)
    while (pids.some((pid) => isThere(pid))) await pause(10)
    for (const mount of this.#mounts()) await must('umount', ['--lazy', mount])
    for (const volatile of ['exec', 's', 'pid', 'docker.sock']) {
      rmSync(join(this.#folder, volatile), { recursive: true, force: true })
    }
  }

  /** Ends everything and throws it away. */
  async close(): Promise<void> {
    await this.powerOff()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #spawn(command: string[]): ChildProcess {
    const log = openSync(join(this.#folder, 'log'), 'a')
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    return child
  }

  /** Our containerd's shims: they know it by the address of its socket. */
  #shimPids(): number[] {
    const address = join(this.#folder, 'c.sock')
    return globSync('/proc/[0-9]*/cmdline').flatMap((path) => {
      const words = quietly(() => readFileSync(path, 'utf8'))?.split('\0') ?? []
      const isOurs = words[0]?.includes('containerd-shim') && words.includes(address)
      return isOurs ? [Number(path.split('/')[2])] : []
    })
  }

  /** What is mounted below our folder, the innermost first. */
  #mounts(): string[] {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    const points = lines.map((line) => line.split(' ')[4] ?? '')
    return points.filter((point) => point.startsWith(`${this.#folder}/`)).reverse()
  }
}

async function endOf(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

/** The processes that these began: of a shim its container, with which all in it dies. */
function childrenOf(parents: readonly number[]): number[] {
  return globSync('/proc/[0-9]*/stat').flatMap((path) => {
    const stat = quietly(() => readFileSync(path, 'utf8')) ?? ''
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    return parents.includes(parent) ? [Number(path.split('/')[2])] : []
  })
}

function kill(pid: number): void {
  quietly(() => process.kill(pid, 'SIGKILL'))
}

/** Whether a process runs: one that is dead and not yet buried does not. */
function isThere(pid: number): boolean {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat !== undefined && !/\) [ZX] /.test(stat)
}

/** The answer, or undefined where the thing went away while it was asked for. */
function quietly<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}
