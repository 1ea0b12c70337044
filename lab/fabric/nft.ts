// nftables commands as typed JSON (libnftables-json(5)). A caller's text can only ever become a
// value in here, never syntax: there is no place where a string is parsed as rules.

/** The one name that our tables bear, in every family. */
export const TABLE = 'enid'

export type Family = 'inet' | 'netdev'
type Json = string | number | boolean | null | Json[] | { readonly [key: string]: Json }

/** An expression: something read from the packet, or a value to compare it with. */
export type Expression = Json
/** One statement of a rule: a match or a verdict. */
export type Statement = { readonly [key: string]: Json }
/** One command of a transaction. */
export type Command = { readonly [verb in 'add' | 'delete' | 'flush']?: Json }
/**
 * One element of a set or, with `to`, of a verdict map: traffic of `key` jumps to that chain; with
 * `value`, of a map to addresses or marks. A key of one part may be a block, `10.0.0.0/24`.
 */
export type Element = {
  readonly family: Family
  readonly set: string
  readonly key: readonly (string | number)[]
  readonly to?: string
  readonly value?: string | number
}

export const accept: Statement = { accept: null }
export const drop: Statement = { drop: null }
export const jump = (chain: string): Statement => ({ jump: { target: chain } })
/** Like `jump`, without a way back: what that chain does not decide, the caller's caller does. */
export const goTo = (chain: string): Statement => ({ goto: { target: chain } })
/** Answers with a TCP reset and drops the packet. */
export const reset: Statement = { reject: { type: 'tcp reset' } }
/** Writes a value to the packet or to its flow; no verdict. */
export const set = (key: Expression, value: Expression): Statement => ({ mangle: { key, value } })

export const payload = (protocol: string, field: string): Expression => ({
  payload: { protocol, field },
})
/** Bits of the transport header, whatever the protocol and the IP version. */
export const transport = (offset: number, bits: number): Expression => ({
  payload: { base: 'th', offset, len: bits },
})
/** Counts the packets that come as far as here. */
export const counter: Statement = { counter: { packets: 0, bytes: 0 } }
/** Tells a log group of the packet; no verdict. The words are at most 127 bytes. */
export const log = (group: number, words: string): Statement => ({ log: { prefix: words, group } })

export const meta = (key: string): Expression => ({ meta: { key } })
export const ct = (key: string): Expression => ({ ct: { key } })
export const bits = (op: '&' | '|', left: Expression, right: number | string): Expression => ({
  [op]: [left, right],
})
export const concat = (...parts: Expression[]): Expression => ({ concat: parts })
export const anyOf = (...values: (string | number)[]): Expression => ({ set: values })
export const prefix = (address: string, length: number): Expression => ({
  prefix: { addr: address, len: length },
})
export const range = (from: number, to: number): Expression =>
  from === to ? from : { range: [from, to] }
export const inSet = (set: string): Expression => `@${set}`

/** What the routes say of an address of the packet, asked with the packet's mark. */
export const fib = (result: 'oifname' | 'type', address: 'saddr' | 'daddr'): Expression => ({
  fib: { result, flags: result === 'type' ? [address] : [address, 'mark'] },
})
/** Gives a flow another source or destination address, as a map says of this one. */
export const translate = (
  verb: 'snat' | 'dnat',
  version: 'ipv4',
  key: Expression,
  map: string,
): Statement => ({
  [verb]: { family: version === 'ipv4' ? 'ip' : version, addr: fromMap(key, map) },
})
/** Gives a flow that source address, and a port of that range. */
export const snatTo = (address: string, ports?: [from: number, to: number]): Statement => ({
  snat: { family: 'ip', addr: address, ...(ports === undefined ? {} : { port: range(...ports) }) },
})

/** Gives a flow the address of the link by which it leaves. */
export const masquerade: Statement = { masquerade: null }

/** The next router of the packet's route, or the packet's own destination where there is none. */
export const nextHop = (version: 'ipv4' | 'ipv6'): Expression => ({
  rt: { key: 'nexthop', family: version === 'ipv4' ? 'ip' : 'ip6' },
})
/** The largest segment that a SYN offers, and the one that fits the packet's route. */
export const tcpMss: Expression = { 'tcp option': { name: 'maxseg', field: 'size' } }
export const routeMss: Expression = { rt: { key: 'mtu' } }

export const match = (left: Expression, right: Expression, op = '=='): Statement => ({
  match: { op, left, right },
})
/** What a map has for the key; a rule that finds nothing there ends. */
export const fromMap = (key: Expression, map: string): Expression => ({
  map: { key, data: `@${map}` },
})
/** True while a key comes more often than `rate` a second, of which it may come all at once. */
export const moreOftenThan = (rate: number, key: Expression, name: string): Statement => ({
  meter: { name, key, stmt: { limit: { rate, burst: rate, per: 'second', inv: true } } },
})
/** What conntrack says of the packet, one of these (`in`, because the state is a bit mask). */
export const flowIs = (...states: ('new' | 'established' | 'related' | 'invalid')[]): Statement =>
  match(ct('state'), states.length === 1 ? (states[0] ?? '') : states, 'in')
/** Looks the key up in a verdict map and does what it says; no element, no effect. */
export const byMap = (key: Expression, map: string): Statement => ({
  vmap: { key, data: `@${map}` },
})

export const addTable = (family: Family): Command => ({ add: { table: { family, name: TABLE } } })
export const deleteTable = (family: Family): Command => ({
  delete: { table: { family, name: TABLE } },
})
export const addSet = (family: Family, name: string, type: string[]): Command => ({
  add: { set: { family, table: TABLE, name, type: type.length === 1 ? (type[0] ?? '') : type } },
})
export const addVerdictMap = (name: string, type: string): Command => ({
  add: { map: { family: 'inet', table: TABLE, name, type, map: 'verdict' } },
})
/** A map to numbers that a packet's mark can be. */
export const addMarkMap = (name: string, type: string): Command => ({
  add: { map: { family: 'inet', table: TABLE, name, type, map: 'mark' } },
})
/** A map to IPv4 addresses; from blocks of them, where the flag says so. */
export const addAddressMap = (name: string, type: string, flags: 'interval'[] = []): Command => ({
  add: { map: { family: 'inet', table: TABLE, name, type, map: 'ipv4_addr', flags } },
})
export const addChain = (family: Family, name: string): Command => ({
  add: { chain: { family, table: TABLE, name } },
})
/** A chain on a hook of the inet family. What its rules do not accept is dropped. */
export const addGate = (name: string, hook: string, prio: number): Command => ({
  add: {
    chain: { family: 'inet', table: TABLE, name, type: 'filter', hook, prio, policy: 'drop' },
  },
})
/** A chain on a hook that only takes note: what it does not drop goes on. */
export const addLook = (name: string, hook: string, prio: number): Command => ({
  add: {
    chain: { family: 'inet', table: TABLE, name, type: 'filter', hook, prio, policy: 'accept' },
  },
})
/** A chain that decides, at a flow's first packet, how all of it is translated. */
export const addNatChain = (name: string, hook: string, prio: number): Command => ({
  add: { chain: { family: 'inet', table: TABLE, name, type: 'nat', hook, prio, policy: 'accept' } },
})
/** A chain on everything that a device receives, whatever its ethertype. */
export const addIngress = (name: string, dev: string): Command => ({
  add: {
    chain: {
      family: 'netdev',
      table: TABLE,
      name,
      type: 'filter',
      hook: 'ingress',
      dev,
      prio: 0,
      policy: 'drop',
    },
  },
})
export const addRule = (
  family: Family,
  chain: string,
  statements: Statement[],
  comment?: string,
): Command => ({
  add: {
    rule: {
      family,
      table: TABLE,
      chain,
      expr: statements,
      ...(comment === undefined ? {} : { comment }),
    },
  },
})
/**
 * Deletes the rules of an inet chain that have a comment. nftables itself deletes by handle, which
 * the fabric's thread looks up (kernel-rules.ts).
 */
export const deleteRules = (chain: string, comment: string): Command => ({
  delete: { rule: { family: 'inet', table: TABLE, chain, comment } },
})
export const flushChain = (family: Family, name: string): Command => ({
  flush: { chain: { family, table: TABLE, name } },
})
export const deleteChain = (family: Family, name: string): Command => ({
  delete: { chain: { family, table: TABLE, name } },
})
export const deleteSet = (family: Family, name: string): Command => ({
  delete: { set: { family, table: TABLE, name } },
})

/** Adds an element (a map's with what it maps to), or deletes it. */
export function changeElement(verb: 'add' | 'delete', element: Element): Command {
  const { to, value } = element
  const [first = '', ...more] = element.key
  const key: Json = more.length === 0 ? blockOf(first) : { concat: [first, ...more] }
  const data: Json | undefined = to === undefined ? value : jump(to)
  const elem: Json = data === undefined || verb === 'delete' ? key : [key, data]
  return {
    [verb]: { element: { family: element.family, table: TABLE, name: element.set, elem: [elem] } },
  }
}

/** The same commands for a table of another name. */
export const inTable = (name: string, commands: readonly Command[]): Command[] =>
  commands.map((command) =>
    Object.fromEntries(
      Object.entries(command).map(([verb, body]) => [verb, renamed(body as Named, name)]),
    ),
  )

type Named = { readonly [kind: string]: { readonly [key: string]: Json } }
const renamed = (body: Named, table: string): Named =>
  Object.fromEntries(
    Object.entries(body).map(([kind, fields]) => [
      kind,
      kind === 'table' ? { ...fields, name: table } : { ...fields, table },
    ]),
  )

/** A block as nftables has it; any other key as it is. */
function blockOf(key: string | number): Expression {
  if (typeof key === 'number') return key
  const [address = '', length] = key.split('/')
  return length === undefined ? key : prefix(address, Number(length))
}
