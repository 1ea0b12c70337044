// Entering network namespaces, by the one thread that may: the kernel worker.
//
//   home ──setns──▶ inside: open sockets, write sysctls ──setns──▶ home      all in one turn
//
// A socket belongs to the namespace it was opened in, so a visit lasts microseconds. Nothing
// asynchronous may happen during it: a thread or a child born there would inherit the namespace.
// When the way back fails the process ends; the journal resumes after the restart.

import fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { KernelError } from './kernel-error.ts'
import { abort, close, setNetns, socketNetns } from './libc.ts'
import { Monitors } from './monitors.ts'

const NSFS_MAGIC = 0x6e736673

/** The errno's name of an error that node:fs threw; the error itself when it is another. */
export function errnoOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  throw error
}

/** A SandboxKey of Docker's outlives its namespace as an ordinary file until Docker cleans up. */
const isNoNamespace = (error: unknown): boolean =>
  error instanceof KernelError && ['ENOENT', 'ENOTDIR', 'EINVAL'].includes(error.errno)

/** The thread's own namespace, the ones it visits, and the ones it holds open. */
export class Namespaces {
  /** The thread's own namespace, for links that come back. */
  readonly homeFd: number
  /** What hears of changes in the namespaces that are held. */
  readonly monitors = new Monitors()
  readonly #homeInode: number
  readonly #held = new Map<string, number>()

  constructor() {
    if (isMainThread) throw new Error('namespaces are entered by the kernel worker alone')
    this.homeFd = fs.openSync('/proc/thread-self/ns/net', 'r')
    this.#homeInode = fs.fstatSync(this.homeFd).ino
  }

  /** Runs `visit` inside the namespace, synchronously. What it opens stays there; it comes home. */
  enter<T>(fd: number, visit: () => T): T {
    setNetns(fd)
    try {
      return visit()
    } finally {
      this.#comeHome()
    }
  }

  /**
   * Opens the namespace (or takes the one that is held) for the time of `work`. Throws ENOENT when
   * the path is gone, EINVAL when it is no network namespace or is the host's own.
   */
  use<T>(path: string, work: (fd: number) => T): T {
    const held = this.#held.get(path)
    if (held !== undefined) return work(held)
    const fd = this.#open(path)
    try {
      return work(fd)
    } finally {
      fs.closeSync(fd)
    }
  }

  /**
   * Keeps the namespace alive after its last process, and listens in it. Twice is once. Throws EINVAL
   * when the path leads to another one than the one that is held.
   */
  hold(path: string): void {
    const held = this.#held.get(path)
    if (held === undefined) this.#hold(path, this.#open(path))
    else this.#checkSame(path, fs.fstatSync(held).ino)
  }

  /** A path that is gone leads to no other namespace. */
  #checkSame(path: string, inode: number): void {
    let fd: number
    try {
      fd = this.#open(path)
    } catch (error) {
      if (isNoNamespace(error)) return
      throw error
    }
    const { ino } = fs.fstatSync(fd)
    fs.closeSync(fd)
    if (ino === inode) return
    const what = 'the path leads to another namespace by now'
    throw new KernelError({ errno: 'EINVAL', what, netns: path })
  }

  /**
   * Holds the namespace that a socket was born in, also when it has no process and no path any more.
   * Throws EINVAL when the path leads to another one.
   */
  holdOf(path: string, socketFd: number): void {
    const fd = socketNetns(socketFd)
    try {
      this.#checkSame(path, fs.fstatSync(fd).ino)
      // Anew, because node:fs wants to have opened what it is to close.
      if (!this.#held.has(path)) this.#hold(path, this.#open(`/proc/self/fd/${fd}`))
    } finally {
      close(fd)
    }
  }

  #hold(path: string, fd: number): void {
    try {
      this.enter(fd, () => this.monitors.open(path))
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
    this.#held.set(path, fd)
  }

  /** Lets go of it; not held is success. */
  drop(path: string): void {
    const fd = this.#held.get(path)
    if (fd === undefined) return
    this.#held.delete(path)
    // Sockets would keep it alive as well as the file does.
    this.monitors.close(path)
    fs.closeSync(fd)
  }

  /** Whether the path leads to a live network namespace, or one is held under it. */
  exists(path: string): boolean {
    try {
      this.use(path, () => undefined)
      return true
    } catch (error) {
      if (isNoNamespace(error)) return false
      throw error
    }
  }

  /** Lets go of everything. */
  close(): void {
    for (const path of [...this.#held.keys()]) this.drop(path)
    this.monitors.end()
    fs.closeSync(this.homeFd)
  }

  #comeHome(): void {
    try {
      setNetns(this.homeFd)
    } catch {
      // A thread lost in a task's namespace would do the next task's work there.
      abort()
    }
  }

  #open(path: string): number {
    let fd: number
    try {
      fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    } catch (error) {
      const what = 'the namespace cannot be opened; its last process may be gone'
      throw new KernelError({ errno: errnoOf(error), what, netns: path })
    }
    try {
      this.#check(fd, path)
      return fd
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
  }

  #check(fd: number, path: string): void {
    // Through /proc/self/fd it is the opened file that is looked at, not what the path became.
    if (fs.statfsSync(`/proc/self/fd/${fd}`).type !== NSFS_MAGIC) {
      const what = 'not a namespace but an ordinary file: the sandbox it belonged to is gone'
      throw new KernelError({ errno: 'EINVAL', what, netns: path })
    }
    if (fs.fstatSync(fd).ino === this.#homeInode) {
      const what = "this is the host's own network namespace; a task needs one of its own"
      throw new KernelError({ errno: 'EINVAL', what, netns: path })
    }
    this.enter(fd, () => undefined)
  }
}
