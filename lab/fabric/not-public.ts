// What is not the Internet: blocks that no router of it leads anywhere, or that lead back to the
// machine, its neighbours or its provider. Pure data; the real Internet (uplink.ts) is all the rest.
// Numbers: IANA's special-purpose registries of IPv4 and IPv6 (RFC 6890), as of 2026-11.

/** Never led out. Of IPv6 only 2000::/3 is given out at all; these are the parts of it that are not. */
export const NOT_PUBLIC = {
  ipv4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10', // Shared by providers (RFC 6598); Alibaba's metadata service.
    '127.0.0.0/8',
    '168.63.129.16/32', // Azure's host, which answers its guests alone.
    '169.254.0.0/16', // Link-local: the metadata service of EC2 and most others.
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24', // Relays of 6to4, which are no more (RFC 7526).
    '192.168.0.0/16',
    '198.18.0.0/15', // Benchmarks (RFC 2544); the uplink's own.
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/3',
  ],
  ipv6: [
    '2001::/23', // Protocols', among them Teredo, which holds an IPv4 address.
    '2001:db8::/32',
    '2002::/16', // 6to4: it holds an IPv4 address, private ones too.
    '3fff::/20',
  ],
} as const

/** All that IANA has given out of IPv6. */
export const GIVEN_OUT_IPV6 = '2000::/3'
