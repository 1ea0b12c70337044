// From the tree of a query to an action's typed input, by the operation's schema alone. Three
// refusals are generic: a name that the schema does not know (UnknownParameter), a required one
// that is missing (MissingParameter), a value of the wrong type (InvalidParameterValue). A fourth
// is the lab's own promise: a parameter that EC2 knows and the action does not honour is refused
// by name, never ignored.

import type { NormalizedSchema } from '@smithy/core/schema'
import { badValue, notInLab, Refusal } from '../../model/refusal.ts'
import type { Node } from './form.ts'
import { type Operation, queryKey, requiredMembers } from './operations.ts'

/**
 * Reads an operation's input. `honours` lists what the action acts on, as dotted member names
 * (`Filters.Values`); lists are transparent. `DryRun` is always honoured.
 */
export function readInput(operation: Operation, honours: readonly string[], root: Node): object {
  const reader = new Reader(operation.name, honours)
  if (!operation.input.isStructSchema()) return {}
  return reader.structure(operation.input, root, '', '')
}

class Reader {
  readonly #action: string
  readonly #honoured: ReadonlySet<string>

  constructor(action: string, honours: readonly string[]) {
    this.#action = action
    const honoured = new Set(['DryRun'])
    for (const path of honours) {
      const names = path.split('.')
      for (let end = 1; end <= names.length; end++) honoured.add(names.slice(0, end).join('.'))
    }
    this.#honoured = honoured
  }

  /** `path` is in SDK member names, `at` as the caller wrote it. */
  structure(schema: NormalizedSchema, node: Node, path: string, at: string): object {
    if (node.value !== undefined) throw badValue(at, node.value, 'It has members of its own.')
    const known = new Map<string, readonly [string, NormalizedSchema]>()
    for (const [name, member] of schema.structIterator()) {
      known.set(queryKey(name, member), [name, member])
    }
    const entries: [string, unknown][] = []
    for (const [key, child] of node.under) {
      const keyAt = join(at, key)
      const found = known.get(key)
      if (found === undefined) {
        throw new Refusal('UnknownParameter', `The parameter ${keyAt} is not recognized`)
      }
      const [name, member] = found
      const memberPath = join(path, name)
      if (!this.#honoured.has(memberPath)) {
        throw notInLab(`the parameter ${keyAt} of ${this.#action}`, 'Leave it out.')
      }
      entries.push([name, this.#value(member, child, memberPath, keyAt)])
    }
    const value: object = Object.fromEntries(entries)
    for (const name of requiredMembers(schema)) {
      const given: unknown = Object.getOwnPropertyDescriptor(value, name)?.value
      if (given !== undefined && given !== '') continue
      const member = schema.getMemberSchema(name)
      const key = join(at, queryKey(name, member))
      throw new Refusal('MissingParameter', `The request must contain the parameter ${key}`)
    }
    return value
  }

  #value(schema: NormalizedSchema, node: Node, path: string, at: string): unknown {
    if (schema.isStructSchema()) return this.structure(schema, node, path, at)
    if (schema.isListSchema()) return this.#list(schema.getValueSchema(), node, path, at)
    const [inner] = node.under.keys()
    if (inner !== undefined) {
      throw new Refusal('UnknownParameter', `The parameter ${at}.${inner} is not recognized`)
    }
    return scalar(schema, node.value ?? '', at)
  }

  #list(item: NormalizedSchema, node: Node, path: string, at: string): unknown[] {
    if (node.value !== undefined) {
      throw badValue(at, node.value, `It is a list: write ${at}.1, ${at}.2 …`)
    }
    for (const key of node.under.keys()) {
      if (/^[1-9]\d{0,4}$/.test(key)) continue
      throw new Refusal('UnknownParameter', `The parameter ${at}.${key} is not recognized`)
    }
    return [...node.under]
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([key, child]) => this.#value(item, child, path, `${at}.${key}`))
  }
}

function scalar(schema: NormalizedSchema, text: string, at: string): unknown {
  if (schema.isBooleanSchema()) {
    if (!/^(true|false)$/i.test(text)) throw badValue(at, text, 'It must be true or false.')
    return text.toLowerCase() === 'true'
  }
  if (schema.isNumericSchema()) {
    if (!/^-?\d{1,10}$/.test(text)) throw badValue(at, text, 'It must be a whole number.')
    return Number(text)
  }
  if (!schema.isStringSchema()) throw new Error(`no reader for ${schema.getName(true)} at ${at}`)
  if (UNPRINTABLE.test(text)) {
    throw badValue(at, text, 'It contains a character that XML 1.0 cannot carry.')
  }
  return text
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

/** What XML 1.0 has no way to write: control characters but tab, LF, CR; U+FFFE and U+FFFF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/
