// A host's machine: process 1 in namespaces of its own, which hold together whatever runs there, and a
// dockerd where one is asked for. All of it outlives a killed lab; the next one finds it by its file.
//
//   unshare (waits) ─▶ init: own pids, mounts (/run, /proc), the host's network namespace
//                        ├─ dockerd ─▶ containers
//                        └─ whatever `enid lab host exec` runs
//
// To end it is to cut the power: the kernel ends every process with process 1, and with the last of
// them the mounts and the network namespace go.

import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Host, Instance } from '../model/world.ts'
import { removeCgroups } from './cgroup.ts'
import { answers, DOCKER_SOCKET, dockerdCommand, dockerdMissing } from './dockerd.ts'
import {
  eraseMachine,
  lives,
  type MachineFile,
  machineFiles,
  type Process,
  processOf,
  writeMachine,
} from './machine-file.ts'
import { childrenOf, programOf, run, startDetached } from './program.ts'

/** Where hosts keep what is on the disk. */
export const DATA_ROOT = '/var/lib/enid-lab'

const INIT_TIMEOUT_MS = 10_000
const DOCKERD_TIMEOUT_MS = 30_000
const END_TIMEOUT_MS = 10_000
const LOOK_MS = 10

/** What process 1 runs: it waits for nothing, and the kernel buries what is left to it. */
const INIT = ['env', '--ignore-signal=CHLD', 'sleep', 'infinity'] as const

export class Machine {
  readonly #lab: string
  readonly #file: MachineFile

  private constructor(lab: string, file: MachineFile) {
    this.#lab = lab
    this.#file = file
  }

  /** Makes a host's machine. Rejects with the reason and the remedy, and leaves nothing. */
  static async boot(lab: string, host: Host, instance: Instance): Promise<Machine> {
    const missing = host.docker ? await dockerdMissing() : undefined
    if (missing !== undefined) throw new Error(missing)
    const { name } = host
    const folder = folderOf(lab, name)
    rmSync(folder, { recursive: true, force: true }) // Of a host of this name that is no more.
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    let file: MachineFile | undefined
    try {
      const note = (init: Process): void => {
        file = { name, instanceId: host.instanceId, init }
        writeMachine(lab, file)
      }
      const init = await startInit(instance.netns, join(folder, 'init.log'), note)
      await furnish(init, instance.netns)
      const up: MachineFile = {
        name,
        instanceId: host.instanceId,
        init,
        ...(host.docker ? { dockerd: await startDockerd(lab, name, init) } : {}),
      }
      writeMachine(lab, up)
      return new Machine(lab, up)
    } catch (error) {
      await endMachine(lab, file ?? { name })
      throw error
    }
  }

  /** The machine that an earlier lab of this name made for that host, if it still runs. */
  static find(lab: string, host: Host): Machine | undefined {
    const file = machineFiles(lab).find(({ name }) => name === host.name)
    if (file?.instanceId !== host.instanceId || !lives(file.init)) return undefined
    return new Machine(lab, file)
  }

  /** Ends what an earlier lab of this name left, but for the machines of those instances. */
  static async sweep(lab: string, keep: ReadonlySet<string>): Promise<void> {
    for (const file of machineFiles(lab)) {
      if (!keep.has(file.instanceId)) await endMachine(lab, file)
    }
  }

  /** Process 1 as this machine numbers it; undefined when it has ended. */
  get pid(): number | undefined {
    const { init } = this.#file
    return lives(init) ? init.pid : undefined
  }

  /** Its dockerd, where it was to have one: whether it runs, and where its words are. */
  get dockerd(): { pid: number; running: boolean; log: string } | undefined {
    const { dockerd, name } = this.#file
    if (dockerd === undefined) return undefined
    return { pid: dockerd.pid, running: lives(dockerd), log: dockerdLog(this.#lab, name) }
  }

  /** Cuts the power, waits until every process has ended, and takes away what is on the disk. */
  async powerOff(): Promise<void> {
    await endMachine(this.#lab, this.#file)
  }
}

/** The folder of a host on the disk. */
export const folderOf = (lab: string, host: string): string => join(DATA_ROOT, lab, host)

const dockerdLog = (lab: string, host: string): string => join(folderOf(lab, host), 'dockerd.log')

/** Where a path of the host is seen from outside. */
const insideOf = ({ pid }: Process, path: string): string => `/proc/${pid}/root${path}`

/** `note` is told of a process to end, from the first moment on that there is one. */
async function startInit(
  netns: string,
  log: string,
  note: (process: Process) => void,
): Promise<Process> {
  const own = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const unshare = ['unshare', ...own, '--propagation', 'private', '--', ...INIT]
  const { pid } = startDetached('nsenter', [`--net=${netns}`, '--', ...unshare], log)
  if (pid === undefined) throw new Error('nsenter does not start: install util-linux')
  const waiting = processOf(pid) // With it process 1 ends (--kill-child).
  if (waiting !== undefined) note(waiting)
  const began = performance.now()
  while (processOf(pid) !== undefined && performance.now() - began < INIT_TIMEOUT_MS) {
    const [init] = childrenOf(pid)
    // It is what it is to be once it has its mounts, and not before.
    const found = init !== undefined && programOf(init) === 'sleep' ? processOf(init) : undefined
    if (found !== undefined) {
      note(found)
      return found
    }
    await setTimeout(LOOK_MS)
  }
  throw new Error(`the host's first process does not come up: ${tail(log)}`)
}

/** A /run of its own, with what programs expect to be there, and the VPC's resolv.conf. */
async function furnish(init: Process, netns: string): Promise<void> {
  const mount = (...how: string[]): Promise<void> =>
    run('nsenter', ['--target', String(init.pid), '--mount', '--', 'mount', ...how])
  await mount('-t', 'tmpfs', '-o', 'mode=0755,nosuid,nodev', 'enid-host', '/run')
  for (const folder of ['/run/netns', '/run/lock']) mkdirSync(insideOf(init, folder))
  if (!existsSync('/etc/resolv.conf')) return
  // Where it leads on this machine: often into /run, which has just been covered.
  const path = realpathSync('/etc/resolv.conf')
  if (path.startsWith('/run/')) {
    mkdirSync(insideOf(init, dirname(path)), { recursive: true })
    writeFileSync(insideOf(init, path), '')
  }
  await mount('--bind', `/etc/netns/${basename(netns)}/resolv.conf`, path)
}

async function startDockerd(lab: string, host: string, init: Process): Promise<Process> {
  const log = dockerdLog(lab, host)
  const command = dockerdCommand(lab, host, join(folderOf(lab, host), 'docker'))
  const enter = ['--target', String(init.pid), '--net', '--mount', '--pid', '--', ...command]
  const { pid } = startDetached('nsenter', enter, log)
  const began = performance.now()
  const isIn = (): boolean => pid !== undefined && processOf(pid) !== undefined
  while (isIn() && performance.now() - began < DOCKERD_TIMEOUT_MS) {
    if (await answers(insideOf(init, DOCKER_SOCKET))) {
      const dockerd = childrenOf(pid ?? 0).flatMap((child) => processOf(child) ?? [])[0]
      if (dockerd !== undefined) return dockerd
    }
    await setTimeout(LOOK_MS * 5)
  }
  throw new Error(`the host's dockerd does not come up: ${tail(log)}`)
}

/** Ends a machine as far as there is one, and waits: what has ended is success. */
async function endMachine(
  lab: string,
  file: Pick<MachineFile, 'name'> & Partial<MachineFile>,
): Promise<void> {
  const { name, instanceId, init } = file
  if (init !== undefined && lives(init)) {
    // The one that waits for it ends after it, and it ends after all the others.
    kill(init.pid)
    const began = performance.now()
    while (processOf(init.pid)?.startTicks === init.startTicks) {
      if (performance.now() - began > END_TIMEOUT_MS) {
        throw new Error(`process ${init.pid} of the host ${name} does not end`)
      }
      await setTimeout(LOOK_MS)
    }
  }
  removeCgroups(lab, name, instanceId)
  rmSync(folderOf(lab, name), { recursive: true, force: true })
  for (const shared of [join(DATA_ROOT, lab), DATA_ROOT]) removeEmpty(shared)
  eraseMachine(lab, name)
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Other hosts, or other labs, have theirs in it.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function tail(log: string): string {
  const words = readFileSync(log, 'utf8').trim().split('\n')
  return words.slice(-5).join('\n') || 'it said nothing'
}
