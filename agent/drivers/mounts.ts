// What the agent mounts for tasks: made from within a task's network namespace, so that the kernel's
// client speaks through the task's own card, and put where dockerd sees it: the host's mount namespace,
// which a unit with ProtectSystem= or PrivateTmp= is not in.
//
//   setpriv --pdeathsig KILL  nsenter --mount=/proc/1/ns/mnt --net=<task's>  mount -t … <place>
//   <state directory>/mounts/<holder id>/<volume>      not /run/enid: systemd empties that at a stop
//
// One child a mount: mount(2) may wait for a server for minutes, and a thread that waits there can
// neither be ended nor serve others; and only a process of one thread may change its mount namespace.
// It ends with the agent, so nothing is mounted after that. Nothing here looks into what is mounted.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { HolderId } from '../../state/spec.ts'
import { Failure } from '../failure.ts'

/** What mount(2) is asked for. */
export type MountPlan = {
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** Something mounted in a task's place. */
export type SeenMount = {
  readonly path: string
  readonly holderId: HolderId
  readonly volume: string
  /** When its place was made, milliseconds since the epoch. */
  readonly madeAt: number
}

export type Mounts = {
  /** The place of a task's volume. */
  placeOf(holderId: HolderId, volume: string): string
  /** Whether it is a place for mounts, whatever is there. */
  isPlace(path: string): boolean
  /** All that is mounted in such places. Throws a Failure. */
  seen(): SeenMount[]
  /**
   * Mounts it there, with this network namespace entered; what is mounted there already is left as
   * it is. Rejects with a Failure `ResourceInitializationError`.
   */
  mount(plan: MountPlan, place: string, netns: string, signal: AbortSignal): Promise<void>
  /** Unmounts it, by force where the server is silent. Nothing there is success. */
  unmount(place: string, signal: AbortSignal): Promise<void>
}

export type MountsOptions = {
  readonly stateDir: string
  /** A process in the mount namespace that dockerd is in, below /proc: the first unless told. */
  readonly hostProc?: string
  /** How long mount(2) may take, milliseconds. */
  readonly mountMs?: number
}

/** A server that is there answers in a second; ECS's helper gives up after some minutes. */
const MOUNT_MS = 60_000
/** An unmount writes back what is dirty. */
const UNMOUNT_MS = 20_000
/** A process that was killed and is not gone by then waits for a device. It is not waited for. */
const KILLED_MS = 2_000
const STDERR_MAX = 4_096

const PLACE = /^([0-9a-f]{32})\/([^/]+)$/
/** ECS's words. No EFS utils are part of it here, but this is what people look for. */
export const PREFIX = 'failed to invoke EFS utils commands to set up EFS volumes'
const WAY =
  'See that a security group of the task lets TCP 2049 out, and one of the mount target in.'
const DROP_IN = 'Install systemd/efs.conf beside the unit.'
const TOOLS = 'Install util-linux on the host; the agent in an image cannot mount.'

/** Opens the places below this state directory. */
export function openMounts(options: MountsOptions): Mounts {
  const { hostProc = '/proc/1', mountMs = MOUNT_MS } = options
  // The kernel shows places without symbolic links.
  const stateDir = existsSync(options.stateDir) ? realpathSync(options.stateDir) : options.stateDir
  const folder = join(stateDir, 'mounts')
  const hostMounts = `${hostProc}/ns/mnt`

  function placesTaken(): string[] {
    try {
      const lines = readFileSync(`${hostProc}/mountinfo`, 'utf8').split('\n')
      // proc_pid_mountinfo(5): the fifth word is the place, blanks in octal.
      const all = lines.map((line) => unescaped(line.split(' ')[4] ?? ''))
      return [...new Set(all)]
    } catch (error) {
      const text = `the mounts of the host cannot be read: ${(error as Error).message}`
      throw new Failure('transient', 'CannotInspectVolumeError', text, { cause: error })
    }
  }
  const isMounted = (place: string) => placesTaken().includes(place)
  const isPlace = (path: string) =>
    path.startsWith(`${folder}/`) && PLACE.test(path.slice(folder.length + 1))

  return {
    placeOf: (holderId, volume) => join(folder, holderId, volume),
    isPlace,

    seen: () =>
      placesTaken().flatMap((path) => {
        const [, holderId, volume] = PLACE.exec(path.slice(folder.length + 1)) ?? []
        if (!isPlace(path) || holderId === undefined || volume === undefined) return []
        const madeAt = statSync(dirname(path), { throwIfNoEntry: false })?.mtimeMs ?? 0
        return [{ path, holderId, volume, madeAt }]
      }),

    async mount({ type, source, options: words }, place, netns, signal) {
      if (place.includes(':')) {
        // Docker writes source, path and mode in one text with colons between them.
        throw refused(source, `Docker can mount nothing from ${place}, which has a colon`, MOVE)
      }
      if (isMounted(place)) return
      makePlace(place)
      const own = ['mount', '-i', '-n', '-c', '-t', type, '-o', words.join(), source, place]
      const enter = ['nsenter', `--mount=${hostMounts}`, `--net=${netns}`, ...own]
      const end = await run(enter, mountMs, signal)
      if (end.is === 'late') {
        throw refused(source, `timed out after ${mountMs / 1000} s: nothing answered`, WAY)
      }
      if (end.is === 'absent') throw refused(source, `this host cannot run ${end.what}`, TOOLS)
      if (end.code === 0 && isMounted(place)) return
      if (/ns\/mnt/.test(end.stderr)) throw refused(source, end.stderr, DROP_IN)
      if (!kernelHas(type)) throw refused(source, `this kernel has no ${type}`, moduleFor(type))
      throw refused(source, end.stderr || `mount ended with ${end.code}`, ROOT)
    },

    async unmount(place, signal) {
      let said = ''
      for (const force of [[], ['-f', '-l']]) {
        if (!isMounted(place)) break
        const own = ['umount', '-i', '-n', '-c', ...force, place]
        const end = await run(['nsenter', `--mount=${hostMounts}`, ...own], UNMOUNT_MS, signal)
        said = end.is === 'ended' ? end.stderr : `umount is ${end.is}`
      }
      if (isMounted(place)) {
        throw new Failure('transient', 'CannotRemoveVolumeError', `${place} stays mounted: ${said}`)
      }
      // Empty, both, and never more than that: files in them would be somebody's.
      for (const each of [place, dirname(place)]) removeEmpty(each)
    },
  }
}

const MOVE = 'Set ENID_STATE_DIR to another one.'
const ROOT =
  'See that the file system has this root directory, and that its policy lets NFS clients in.'

const moduleFor = (type: string): string =>
  `Install its module (${type === 'nfs4' ? 'nfsv4' : type}) on the host.`

const refused = (source: string, why: string, hint: string): Failure =>
  new Failure('refused', 'ResourceInitializationError', `${PREFIX}: ${source}: ${why}`, { hint })

/** Asked after mount(2), which loads a module where there is one. */
const kernelHas = (type: string): boolean =>
  readFileSync('/proc/filesystems', 'utf8')
    .split('\n')
    .some((line) => line.split('\t')[1] === type)

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))

function makePlace(place: string): void {
  try {
    mkdirSync(place, { recursive: true, mode: 0o700 })
  } catch (error) {
    const text = `${place}: ${(error as Error).message}`
    throw new Failure('transient', 'CannotCreateVolumeError', text, { cause: error })
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(code)) throw error
  }
}

type End =
  | { readonly is: 'ended'; readonly code: number | null; readonly stderr: string }
  | { readonly is: 'late' }
  | { readonly is: 'absent'; readonly what: string }

/** Runs it for so long at most, then kills it. Rejects where the signal aborts, after the kill. */
async function run(argv: readonly string[], ms: number, signal: AbortSignal): Promise<End> {
  signal.throwIfAborted()
  const { promise, resolve } = Promise.withResolvers<End>()
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
    ...{ env: ENVIRONMENT, cwd: '/' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_MAX)
  })
  let isKilled = false
  let giveUp: NodeJS.Timeout | undefined
  const kill = (): void => {
    isKilled = true
    child.kill('SIGKILL')
    giveUp = setTimeout(() => resolve({ is: 'late' }), KILLED_MS)
  }
  const late = setTimeout(kill, ms)
  signal.addEventListener('abort', kill)
  child.on('error', () => resolve({ is: 'absent', what: 'setpriv' }))
  child.on('close', (code) => {
    if (isKilled) resolve({ is: 'late' })
    // setpriv and nsenter say so where a program is not there.
    else if (code === 127) resolve({ is: 'absent', what: `${argv[0]} or mount` })
    // The second line is mount's advice to read dmesg.
    else resolve({ is: 'ended', code, stderr: stderr.split('\n')[0] ?? '' })
  })
  const end = await promise
  clearTimeout(late)
  clearTimeout(giveUp)
  signal.removeEventListener('abort', kill)
  child.unref()
  signal.throwIfAborted()
  return end
}

/** Programs of the host, in words that do not depend on who runs them. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
