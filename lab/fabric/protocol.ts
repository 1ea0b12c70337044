// The protocol numbers (IANA) that have ports, or types and codes, and the bounds of those.

export const ICMP = 1
export const TCP = 6
export const UDP = 17
export const ICMPV6 = 58

/** Stands for every type, or every code, of ICMP, as EC2 has it. */
export const ANY = -1
export const PORT_MAX = 65535
