// How far an answer travels: the IP TTL (or hop limit) of what a connected TCP socket sends from now
// on. A plain setsockopt on a socket of this process: no namespace is entered, so any thread may.

import { C, checked, setsockopt } from './libc.ts'

/** Sets it, 1 to 255. Throws a SystemError where the kernel refuses. */
export function setHopLimit(fd: number, family: 'ipv4' | 'ipv6', hops: number): void {
  const value = Buffer.alloc(4)
  value.writeInt32LE(hops)
  const [level, name] =
    family === 'ipv4' ? [C.IPPROTO_IP, C.IP_TTL] : [C.IPPROTO_IPV6, C.IPV6_UNICAST_HOPS]
  checked(setsockopt(fd, level, name, value, 4), `set the hop limit to ${hops}`)
}
