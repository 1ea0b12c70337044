// Signals are the main thread's. One that interrupts what libnftables waits for has it say that a
// transaction failed which the kernel has carried out.

import os from 'node:os'
import koffi from 'koffi'

const sigmask = koffi
  .load(null)
  .func('int pthread_sigmask(int how, const uint8_t *set, uint8_t *old)')

const SIG_BLOCK = 0
/** A sigset_t: 1,024 bits (glibc). */
const SIGSET_BYTES = 128

/** Has none but what a thread gets for its own mistakes interrupt the calling thread from here on. */
export function blockSignals(): void {
  const { SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV } = os.constants.signals
  const own = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]
  const blocked = Buffer.alloc(SIGSET_BYTES, 0xff)
  blocked.writeUInt32LE(~own.reduce((mask, signal) => mask | (1 << (signal - 1)), 0) >>> 0)
  const errno = sigmask(SIG_BLOCK, blocked, null)
  if (errno !== 0) throw new Error(`pthread_sigmask: errno ${errno}`)
}
