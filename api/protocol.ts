// AWS JSON 1.1, both ways, driven by the schemas that @aws-sdk/client-ecs exports: no shape of ECS
// is written down here by hand.
//
//   reading is strict    an unknown member, a wrong type, a number out of range is named by its path
//   writing is stricter  a member that the schema lacks is a mistake of ours, and throws
//
// Members are looked up in a Map and objects are built from entries, so `__proto__` is just a name.

import { NormalizedSchema } from '@smithy/core/schema'
import { AwsError, invalid, shown } from './aws-error.ts'
import { nearest } from './nearest.ts'

/** An operation of the SDK: [9, namespace, name, traits, input, output]. */
export type OperationSchema = readonly [
  9,
  string,
  string,
  unknown,
  Parameters<typeof NormalizedSchema.of>[0],
  Parameters<typeof NormalizedSchema.of>[0],
]

/** The largest value of ECS's integers. */
const INT_MAX = 2 ** 31 - 1

/** The request as the schema has it; `null` counts as absent. Throws AwsError naming the path. */
export const readInput = (operation: OperationSchema, value: unknown, path = ''): unknown =>
  read(NormalizedSchema.of(operation[4]), value, path)

/** The same for one member of an operation's input, where another request carries only that. */
export const readMember = (
  operation: OperationSchema,
  member: string,
  value: unknown,
  path: string,
): unknown => read(NormalizedSchema.of(operation[4]).getMemberSchema(member), value, path)

/** The answer as JSON, timestamps in seconds. Throws where it does not fit the schema. */
export const writeOutput = (operation: OperationSchema, value: unknown): unknown =>
  write(NormalizedSchema.of(operation[5]), value, operation[2])

function read(schema: NormalizedSchema, value: unknown, path: string): unknown {
  if (schema.isStructSchema() || schema.isUnitSchema()) return readStruct(schema, value, path)
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) throw wrong(path, 'a list', value)
    return value.map((item, index) => read(schema.getValueSchema(), item, `${path}[${index}]`))
  }
  if (schema.isMapSchema()) {
    const entries = entriesOf(value, path).map(([key, item]) => {
      checkText(`${path}'s keys`, key)
      return [key, read(schema.getValueSchema(), item, at(path, key))] as const
    })
    return Object.fromEntries(entries)
  }
  return readScalar(schema, value, path)
}

function readStruct(schema: NormalizedSchema, value: unknown, path: string): unknown {
  const members = membersOf(schema)
  const out: [string, unknown][] = []
  for (const [key, item] of entriesOf(value, path)) {
    const member = members.get(key)
    if (member === undefined) throw unknownMember(key, [...members.keys()], path)
    if (item !== null && item !== undefined) out.push([key, read(member, item, at(path, key))])
  }
  for (const name of requiredOf(schema)) {
    if (!out.some(([key]) => key === name)) throw invalid(at(path, name), 'is required')
  }
  return Object.fromEntries(out)
}

function readScalar(schema: NormalizedSchema, value: unknown, path: string): unknown {
  if (schema.isBooleanSchema()) {
    if (typeof value !== 'boolean') throw wrong(path, 'true or false', value)
  } else if (schema.isNumericSchema()) {
    if (!Number.isInteger(value)) throw wrong(path, 'a whole number', value)
    if (Math.abs(value as number) > INT_MAX) throw wrong(path, 'a number of 32 bits', value)
  } else if (schema.isStringSchema()) {
    if (typeof value !== 'string') throw wrong(path, 'a string', value)
    checkText(path, value)
  } else {
    throw new Error(`${path}: no action of enid takes a value of this kind`)
  }
  return value
}

/** Neither Docker nor SQLite nor a file name can hold these. */
function checkText(path: string, text: string): void {
  if (text.includes('\0')) throw invalid(path, 'contains a NUL character, which no string may')
  if (!text.isWellFormed()) throw invalid(path, 'is not well-formed Unicode (a lone surrogate)')
}

function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(path === '' ? 'the request' : path, 'an object', value)
  }
  return Object.entries(value)
}

const wrong = (field: string, expected: string, value: unknown): AwsError =>
  new AwsError('SerializationException', `expected ${expected}, got ${shown(value)}`, { field })

function unknownMember(key: string, known: readonly string[], path: string): AwsError {
  const near = nearest(key, known)
  const hint = near === undefined ? `Allowed: ${known.join(', ')}` : `Did you mean ${near}?`
  return invalid(at(path, key.slice(0, 80)), 'is not a member that ECS knows here', hint)
}

const at = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

function write(schema: NormalizedSchema, value: unknown, path: string): unknown {
  const misfit = (expected: string) => new Error(`${path}: not ${expected}: ${shown(value)}`)
  if (schema.isStructSchema() || schema.isUnitSchema()) {
    const members = membersOf(schema)
    const entries = Object.entries(value as object).filter(([, item]) => item !== undefined)
    return Object.fromEntries(
      entries.map(([key, item]) => {
        const member = members.get(key)
        if (member === undefined) throw new Error(`${path}.${key} is not in the schema`)
        return [key, write(member, item, `${path}.${key}`)]
      }),
    )
  }
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) throw misfit('a list')
    return value.map((item, index) => write(schema.getValueSchema(), item, `${path}[${index}]`))
  }
  if (schema.isMapSchema()) {
    const items = Object.entries(value as object)
    return Object.fromEntries(
      items.map(([key, item]) => [key, write(schema.getValueSchema(), item, `${path}.${key}`)]),
    )
  }
  if (schema.isTimestampSchema()) {
    if (!(value instanceof Date)) throw misfit('a Date')
    return value.getTime() / 1000
  }
  const isRight =
    (schema.isBooleanSchema() && typeof value === 'boolean') ||
    (schema.isNumericSchema() && Number.isFinite(value)) ||
    (schema.isStringSchema() && typeof value === 'string')
  if (!isRight) throw misfit('what the schema says')
  return value
}

const cache = new WeakMap<object, ReadonlyMap<string, NormalizedSchema>>()

function membersOf(schema: NormalizedSchema): ReadonlyMap<string, NormalizedSchema> {
  if (schema.isUnitSchema()) return new Map()
  const key = schema.getSchema() as object
  const known = cache.get(key)
  if (known !== undefined) return known
  const members = new Map(schema.structIterator())
  cache.set(key, members)
  return members
}

/** Required members come first in a structure's schema; its seventh part says how many. */
function requiredOf(schema: NormalizedSchema): readonly string[] {
  if (schema.isUnitSchema()) return []
  const parts = schema.getSchema() as unknown as readonly unknown[]
  return (parts[4] as readonly string[]).slice(0, (parts[6] as number | undefined) ?? 0)
}
