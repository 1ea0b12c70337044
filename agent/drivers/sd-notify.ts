// Tells systemd how the service is: READY, STOPPING, WATCHDOG, and gives it open files to keep. One
// datagram to the socket that systemd names in NOTIFY_SOCKET; Node has no unix datagrams, hence the
// C library. sd_notify(3), unix(7), cmsg(3).

import koffi from 'koffi'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
/** sun_path holds 108 bytes: unix(7). */
const PATH_BYTES_MAX = 108
/** struct cmsghdr with one int: size_t, two ints and the fd, on an 8-byte boundary. */
const RIGHTS = { length: 20, space: 24 }

const IOVEC = koffi.struct({ base: 'uint8_t *', length: 'size_t' })
const MSGHDR = koffi.struct({
  name: 'uint8_t *',
  nameLength: 'uint32_t',
  iov: koffi.pointer(IOVEC),
  iovCount: 'size_t',
  control: 'uint8_t *',
  controlLength: 'size_t',
  flags: 'int',
})

/**
 * Sends `message`, such as `READY=1`, with a duplicate of `fd` where one is given. Does nothing when
 * no systemd asked to be told.
 */
export function sdNotify(
  message: string,
  socketPath = process.env.NOTIFY_SOCKET,
  fd?: number,
): void {
  if (socketPath === undefined || socketPath === '') return
  const path = Buffer.from(socketPath.replace(/^@/, '\0'))
  if (path.length > PATH_BYTES_MAX) throw new Error(`NOTIFY_SOCKET is too long: ${socketPath}`)
  const address = Buffer.alloc(2 + path.length)
  address.writeUInt16LE(AF_UNIX)
  path.copy(address, 2)
  const libc = koffi.load('libc.so.6')
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const close = libc.func('int close(int fd)')
  const sendmsg = libc.func('sendmsg', 'int64_t', ['int', koffi.pointer(MSGHDR), 'int'])
  const from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (from < 0) throw new Error(`sd_notify: no socket (errno ${koffi.errno()})`)
  const data = Buffer.from(message)
  const control = fd === undefined ? null : rights(fd)
  const sent = sendmsg(
    from,
    {
      ...{ name: address, nameLength: address.length },
      ...{ iov: [{ base: data, length: data.length }], iovCount: 1 },
      ...{ control, controlLength: control?.length ?? 0, flags: 0 },
    },
    0,
  )
  const errno = koffi.errno()
  close(from)
  if (Number(sent) < 0) throw new Error(`sd_notify: ${socketPath} did not take it (errno ${errno})`)
}

/** The control message that takes an open file along. */
function rights(fd: number): Buffer {
  const control = Buffer.alloc(RIGHTS.space)
  control.writeBigUInt64LE(BigInt(RIGHTS.length))
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(fd, 16)
  return control
}

/** How often systemd wants to hear from us, milliseconds; undefined when it does not watch. */
export function watchdogIntervalMs(usec = process.env.WATCHDOG_USEC): number | undefined {
  const value = Number(usec)
  // Half of the limit, as sd_watchdog_enabled(3) advises.
  return Number.isFinite(value) && value > 0 ? value / 2000 : undefined
}
