// Names of the reverse domains: which address one asks for. Strict: what is not the whole address in
// its canonical form names none. Pure.

/** The address that a name of in-addr.arpa or ip6.arpa asks for; undefined for every other name. */
export function addressOfReverse(name: string): { family: 4 | 6; value: bigint } | undefined {
  const ipv4 = /^((?:(?:0|[1-9]\d{0,2})\.){4})in-addr\.arpa$/.exec(name)?.[1]
  if (ipv4 !== undefined) {
    const bytes = ipv4.split('.').slice(0, 4).map(Number).reverse()
    if (bytes.some((byte) => byte > 255)) return undefined
    return { family: 4, value: bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) }
  }
  const ipv6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]
  if (ipv6 === undefined) return undefined
  const nibbles = ipv6.split('.').slice(0, 32).reverse().join('')
  return { family: 6, value: BigInt(`0x${nibbles}`) }
}
