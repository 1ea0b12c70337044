// Tells systemd how the service is: READY, STOPPING, WATCHDOG. One datagram to the socket that
// systemd names in NOTIFY_SOCKET; Node has no unix datagrams, hence the C library. sd_notify(3).

import koffi from 'koffi'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
/** sun_path holds 108 bytes: unix(7). */
const PATH_BYTES_MAX = 108

/** Sends `message`, such as `READY=1`. Does nothing when no systemd asked to be told. */
export function sdNotify(message: string, socketPath = process.env.NOTIFY_SOCKET): void {
  if (socketPath === undefined || socketPath === '') return
  const path = Buffer.from(socketPath.replace(/^@/, '\0'))
  if (path.length > PATH_BYTES_MAX) throw new Error(`NOTIFY_SOCKET is too long: ${socketPath}`)
  const address = Buffer.alloc(2 + path.length)
  address.writeUInt16LE(AF_UNIX)
  path.copy(address, 2)
  const libc = koffi.load('libc.so.6')
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const close = libc.func('int close(int fd)')
  const sendto = libc.func(
    'int64_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *to, uint32_t toLength)',
  )
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw new Error(`sd_notify: no socket (errno ${koffi.errno()})`)
  const data = Buffer.from(message)
  const sent = sendto(fd, data, data.length, 0, address, address.length)
  const errno = koffi.errno()
  close(fd)
  if (Number(sent) < 0) throw new Error(`sd_notify: ${socketPath} did not take it (errno ${errno})`)
}

/** How often systemd wants to hear from us, milliseconds; undefined when it does not watch. */
export function watchdogIntervalMs(usec = process.env.WATCHDOG_USEC): number | undefined {
  const value = Number(usec)
  // Half of the limit, as sd_watchdog_enabled(3) advises.
  return Number.isFinite(value) && value > 0 ? value / 2000 : undefined
}
