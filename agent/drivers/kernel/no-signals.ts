// Signals are the main thread's. One that the kernel gave to this thread instead, or that a profiler
// sends it, would interrupt what libnftables waits for: the library then says that a transaction
// failed which the kernel has carried out.

import os from 'node:os'
import koffi from 'koffi'
import { KernelError } from './kernel-error.ts'

const sigmask = koffi
  .load('libc.so.6')
  .func('int pthread_sigmask(int how, const uint8_t *set, uint8_t *old)')

const SIG_BLOCK = 0
/** A sigset_t: 1,024 bits (glibc). */
const SIGSET_BYTES = 128
/** What a thread gets for its own mistakes must reach it: blocked, it would end the process unsaid. */
const { SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV } = os.constants.signals

/** Has no signal interrupt the calling thread from here on. */
export function blockSignals(): void {
  const own = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]
  const blocked = Buffer.alloc(SIGSET_BYTES, 0xff)
  blocked.writeUInt32LE(~own.reduce((mask, signal) => mask | (1 << (signal - 1)), 0) >>> 0)
  const errno = sigmask(SIG_BLOCK, blocked, null)
  if (errno !== 0) throw new KernelError({ errno: `E${errno}`, what: 'pthread_sigmask' })
}
