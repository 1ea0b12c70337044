// Entering network namespaces. Only the fabric's own thread imports this file, and the window
// between `setns` there and `setns` back is synchronous: a socket or a file opened in it belongs to
// that namespace for life, so everything later happens from home. Nothing in the window may start
// a thread, a process or anything asynchronous, because those would be born in the wrong place.
//
// A named namespace is a bind mount under /run/netns, as iproute2 makes it, so `ip netns` sees it.

import fs from 'node:fs'
import {
  C,
  checked,
  errno,
  errnoName,
  flock,
  mount,
  SystemError,
  setns,
  umount2,
  unshare,
} from './libc.ts'

const DIRECTORY = '/run/netns'
const FILES = '/etc/netns'
const OWN = '/proc/thread-self/ns/net'

const home = fs.openSync(OWN, 'r')

/** The path of a named namespace. */
export const namespacePath = (name: string): string => `${DIRECTORY}/${name}`

/**
 * Does synchronous work inside a namespace. When the way back fails, this thread would go on in the
 * wrong namespace and touch what is not ours: there is nothing safe left to do but to die.
 */
export function within<T>(namespaceFd: number, work: () => T): T {
  checked(setns(namespaceFd, C.CLONE_NEWNET), 'enter a network namespace')
  try {
    return work()
  } finally {
    goHome()
  }
}

/** Opens a namespace by its path, does synchronous work inside it, and lets it go. */
export function withinPath<T>(path: string, work: () => T): T {
  const fd = fs.openSync(path, 'r')
  try {
    return within(fd, work)
  } finally {
    fs.closeSync(fd)
  }
}

/** Makes a named namespace with nothing in it but a `lo` that is down. EEXIST: it is there. */
export function makeNamespace(name: string): void {
  const path = namespacePath(name)
  const directory = openDirectory()
  try {
    // iproute2 shares the directory's mount before its first namespace, so that mounts made here
    // reach every mount namespace and unmounting once is enough. It locks while it does so.
    checked(flock(directory, C.LOCK_EX), `lock ${DIRECTORY}`)
    if (mount('', DIRECTORY, 'none', C.MS_SHARED | C.MS_REC, null) === -1) {
      if (errnoName(errno()) !== 'EINVAL') throw new SystemError(`share ${DIRECTORY}`, errno())
      checked(
        mount(DIRECTORY, DIRECTORY, 'none', C.MS_BIND | C.MS_REC, null),
        `mount ${DIRECTORY} on itself`,
      )
      checked(mount('', DIRECTORY, 'none', C.MS_SHARED | C.MS_REC, null), `share ${DIRECTORY}`)
    }
    fs.closeSync(fs.openSync(path, 'wx', 0))
    try {
      checked(unshare(C.CLONE_NEWNET), 'make a network namespace')
      try {
        checked(mount(OWN, path, 'none', C.MS_BIND, null), `mount a namespace on ${path}`)
      } finally {
        goHome()
      }
    } catch (error) {
      fs.unlinkSync(path)
      throw error
    }
  } finally {
    fs.closeSync(directory)
  }
}

/**
 * Writes the resolv.conf that a command gets in a named namespace: where `ip netns exec` looks for
 * it, to mount it over the host's own for that command alone (ip-netns(8)).
 */
export function writeResolvConf(name: string, text: string): void {
  const directory = `${FILES}/${name}`
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 })
  fs.writeFileSync(`${directory}/resolv.conf`, text, { mode: 0o644 })
}

/**
 * Takes a named namespace's name away, and its files; the kernel ends it with its last user. Gone is
 * success.
 */
export function removeNamespace(name: string): void {
  fs.rmSync(`${FILES}/${name}`, { recursive: true, force: true })
  const path = namespacePath(name)
  if (umount2(path, C.MNT_DETACH) === -1 && !['EINVAL', 'ENOENT'].includes(errnoName(errno()))) {
    throw new SystemError(`unmount ${path}`, errno())
  }
  fs.rmSync(path, { force: true })
}

/** Whether there is one. A death between making its file and mounting it there leaves a plain file. */
export function isNamespace(name: string): boolean {
  const path = namespacePath(name)
  return fs.existsSync(path) && fs.statSync(path).dev !== fs.statSync(DIRECTORY).dev
}

/** The names of all named namespaces, those included that only files are left of, after a reboot. */
export function namespaceNames(): string[] {
  const named = [DIRECTORY, FILES].filter((each) => fs.existsSync(each))
  return [...new Set(named.flatMap((each) => fs.readdirSync(each)))]
}

/**
 * Locks a named namespace for this process, as its owner, until the returned fd is closed or the
 * process dies, however it dies. `undefined` when another owner lives.
 */
export function lockNamespace(name: string): number | undefined {
  const fd = fs.openSync(namespacePath(name), 'r')
  if (flock(fd, C.LOCK_EX | C.LOCK_NB) === 0) return fd
  const why = errno()
  fs.closeSync(fd)
  if (errnoName(why) === 'EAGAIN') return undefined
  throw new SystemError(`lock ${namespacePath(name)}`, why)
}

function goHome(): void {
  if (setns(home, C.CLONE_NEWNET) === -1) process.abort()
}

function openDirectory(): number {
  fs.mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 })
  return fs.openSync(DIRECTORY, 'r')
}
