// The body of an EC2 query as a tree: `Filter.1.Value.2=x` is Filter → 1 → Value → 2. The reader
// trusts nothing: size is bounded in pairs, depth and key length, names live in Maps (so that
// `__proto__` is a name like any other), and bad percent-encoding is an error, not a guess.

import { Refusal } from '../../model/refusal.ts'

/** One name in the tree: its own value, and the names under it. */
export type Node = { value?: string; readonly under: Map<string, Node> }

const PAIRS_MAX = 20_000
const DEPTH_MAX = 12
const KEY_LENGTH_MAX = 512

/** Reads `a=1&b.1=2`, form-encoded. MalformedQueryString says what is wrong and where. */
export function readForm(text: string): Node {
  const root: Node = { under: new Map() }
  if (text === '') return root
  const pairs = text.split('&')
  if (pairs.length > PAIRS_MAX) {
    throw malformed(`it has ${pairs.length} parameters, at most ${PAIRS_MAX} are read`)
  }
  for (const pair of pairs) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const key = decode(equals < 0 ? pair : pair.slice(0, equals))
    add(root, key, equals < 0 ? '' : decode(pair.slice(equals + 1)))
  }
  return root
}

function add(root: Node, key: string, value: string): void {
  if (key.length > KEY_LENGTH_MAX) throw malformed(`a name is longer than ${KEY_LENGTH_MAX}`)
  const names = key.split('.')
  if (names.length > DEPTH_MAX) {
    throw malformed(`the parameter ${key} is more than ${DEPTH_MAX} levels deep`)
  }
  let node = root
  for (const name of names) {
    const next = node.under.get(name) ?? { under: new Map() }
    node.under.set(name, next)
    node = next
  }
  if (node.value !== undefined) throw malformed(`the parameter ${key} appears twice`)
  node.value = value
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw malformed(`"${text.slice(0, 80)}" is not percent-encoded UTF-8`)
  }
}

const malformed = (what: string): Refusal =>
  new Refusal('MalformedQueryString', `The query string is malformed: ${what}.`)
