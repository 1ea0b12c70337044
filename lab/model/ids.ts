// Names of things: EC2's resource ids and MAC addresses, made from random bytes, so that two labs
// on one machine never make the same. The source of bytes is a parameter: the model itself holds
// no randomness, and a test or a seeded run can replay it.

/** Gives `length` random bytes. */
export type Random = (length: number) => Uint8Array

/** Every kind of id the lab makes, by its prefix. */
export type IdPrefix =
  | 'acl'
  | 'aclassoc'
  | 'dopt'
  | 'eigw'
  | 'eipalloc'
  | 'eipassoc'
  | 'ela-attach'
  | 'eni'
  | 'eni-attach'
  | 'i'
  | 'igw'
  | 'nat'
  | 'pl'
  | 'r'
  | 'rtb'
  | 'rtbassoc'
  | 'scr'
  | 'sg'
  | 'sgr'
  | 'subnet'
  | 'subnet-cidr-assoc'
  | 'vpc'
  | 'vpc-cidr-assoc'

/** A new id: the prefix, a dash and 17 lower-case hex digits. */
export function newId(prefix: IdPrefix, random: Random): string {
  const hex = Buffer.from(random(9)).toString('hex').slice(0, 17)
  return `${prefix}-${hex}`
}

/** Whether the text has the shape of an id of that kind (8 digits is EC2's old form). */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}-`) && /^([0-9a-f]{8}|[0-9a-f]{17})$/.test(tail(prefix, text))
}

/** A MAC as EC2 gives them: `02`, locally administered and unicast, then five random bytes. */
export function newMac(random: Random, taken: ReadonlySet<string>): string {
  for (;;) {
    const bytes = [0x02, ...random(5)]
    const mac = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
    if (!taken.has(mac)) return mac
  }
}

const tail = (prefix: IdPrefix, text: string): string => text.slice(prefix.length + 1)
