// systemd's store of file descriptors: what the agent puts there outlives its restart, a crash
// included, and comes back to the next agent. A `systemctl stop` empties it, and where no systemd
// asks to be told (NOTIFY_SOCKET) there is none. sd_notify(3), sd_listen_fds(3).
//
//   FDSTORE=1, FDNAME=…, the fd ──▶ systemd ──▶ LISTEN_FDS, LISTEN_FDNAMES, fds from 3 on
//                     FDSTOREREMOVE=1, FDNAME=… ──▶ systemd closes it

import koffi from 'koffi'
import { sdNotify } from './sd-notify.ts'

/** An open file that systemd handed over, under the name that it was stored by. */
export type StoredFd = { readonly fd: number; readonly name: string }

/** Where open files outlive the process. */
export type FdStore = {
  /** What was handed over at the start, close-on-exec. Whoever uses it owns it. */
  readonly inherited: readonly StoredFd[]
  /** Has a duplicate kept under this name. A name that systemd would not take is not kept. */
  keep(name: string, fd: number): void
  /** Has everything of this name closed; nothing there is success. */
  forget(name: string): void
}

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3
/** FDNAME's longest. */
const NAME_MAX = 255
/** The request of ioctl(2) that sets close-on-exec (asm-generic/ioctls.h). */
const FIOCLEX = 0x5451
const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const

/**
 * The store of this process, and what is in it. Takes the variables that tell of it out of `env`: no
 * child is to believe that they are meant for it.
 */
export function openFdStore(env: NodeJS.ProcessEnv = process.env, pid = process.pid): FdStore {
  const inherited = listenFds(env, pid).filter(({ fd }) => closeOnExec(fd))
  for (const name of VARIABLES) delete env[name]
  const socketPath = env.NOTIFY_SOCKET ?? ''
  return {
    inherited,
    keep: (name, fd) => {
      if (isFdName(name)) sdNotify(`FDSTORE=1\nFDNAME=${name}`, socketPath, fd)
    },
    forget: (name) => {
      if (isFdName(name)) sdNotify(`FDSTOREREMOVE=1\nFDNAME=${name}`, socketPath)
    },
  }
}

/** What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say; nothing when they are another process's. */
export function listenFds(env: NodeJS.ProcessEnv, pid: number): StoredFd[] {
  const { LISTEN_PID = '', LISTEN_FDS = '', LISTEN_FDNAMES = '' } = env
  if (LISTEN_PID !== String(pid) || !/^\d{1,6}$/.test(LISTEN_FDS)) return []
  const names = LISTEN_FDNAMES.split(':')
  // sd_listen_fds_with_names(3) calls it so as well.
  const name = (i: number): string => names[i] || 'unknown'
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => ({ fd: FIRST_FD + i, name: name(i) }))
}

/** Whether systemd takes it for FDNAME: ASCII to be printed, without a colon. */
export const isFdName = (name: string): boolean =>
  name.length <= NAME_MAX && /^[ -9;-~]+$/.test(name)

/** Whether the fd is open; from now on no child gets it. */
function closeOnExec(fd: number): boolean {
  const ioctl = koffi.load('libc.so.6').func('int ioctl(int fd, unsigned long request)')
  return ioctl(fd, FIOCLEX) === 0
}
