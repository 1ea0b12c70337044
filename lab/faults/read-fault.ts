// Reads what a caller wants to go wrong. What does not exist is refused with the list of what does,
// and an option that a fault does not take is refused by name: nothing is silently left out.

import { ACTIONS } from '../ec2/actions.ts'
import { globMatches } from '../ec2/glob.ts'
import { isId } from '../model/ids.ts'
import { Refusal } from '../model/refusal.ts'
import type { FaultOptions } from './fault.ts'
import type { Kind } from './kind.ts'
import { KINDS } from './kinds.ts'
import { PROFILES, type Profile, type ProfileName } from './profile.ts'

/** The largest seed: seeds are 32 bits. */
export const SEED_MAX = 2 ** 32 - 1

/** The longest time a fault may take: a day. */
const SECONDS_MAX = 86_400

/** Reads the body of POST /lab/faults: a name, and the options its kind takes. */
export function readFault(body: unknown): { name: string; options: FaultOptions } {
  const fields = fieldsOf(body)
  const name = take(fields, 'name')
  const kind = typeof name === 'string' ? KINDS.get(name) : undefined
  if (kind === undefined) {
    throw bad(`There is no fault '${name}'. The faults are: ${[...KINDS.keys()].join(', ')}.`)
  }
  const given: Record<string, unknown> = {}
  for (const [option, value] of fields) {
    if (!kind.options.includes(option as keyof FaultOptions)) {
      throw bad(`${name} takes no '${option}'. ${takes(kind)}`)
    }
    given[option] = READERS[option as keyof FaultOptions](value, option)
  }
  const seed = kind.options.includes('seed') ? { seed: 1 } : {}
  const options: FaultOptions = { ...seed, ...kind.defaults, ...given }
  if (kind.family === 'outside' && kind.befalls === 'none' && options.action === undefined) {
    const [whose] = (['eni', 'task'] as const).filter((option) => options[option] !== undefined)
    if (whose !== undefined) {
      throw bad(`${whose} says which call ${name} follows: give an action as well.`)
    }
  }
  return { name: String(name), options }
}

/** Reads the body of POST /lab/profile: a name, a seed (1) and a scale (1). */
export function readProfile(body: unknown): Profile {
  const fields = fieldsOf(body)
  const name = take(fields, 'name')
  const names = Object.keys(PROFILES)
  if (typeof name !== 'string' || !names.includes(name)) {
    throw bad(`There is no profile '${name}'. The profiles are: ${names.join(', ')}.`)
  }
  const seed = take(fields, 'seed') ?? 1
  const scale = take(fields, 'scale') ?? 1
  const [unknown] = fields.keys()
  if (unknown !== undefined) {
    throw bad(`Unknown field '${unknown}'. Allowed: name, seed, scale.`)
  }
  return {
    name: name as ProfileName,
    seed: number(seed, 'seed', { min: 0, max: SEED_MAX, whole: true }),
    scale: number(scale, 'scale', { min: 0.001, max: 100 }),
  }
}

type Reader = (value: unknown, option: string) => unknown

const READERS: Readonly<Record<keyof FaultOptions, Reader>> = {
  action: readAction,
  calls: (value, option) => {
    const numbers = Array.isArray(value) ? value : [value]
    if (numbers.length === 0 || numbers.length > 1000) {
      throw bad('calls must be 1 to 1000 numbers of calls; the first call is 1.')
    }
    return numbers.map((each) => number(each, option, { min: 1, max: 1e9, whole: true }))
  },
  times: (value, option) => number(value, option, { min: 1, max: 1e9, whole: true }),
  likelihood: (value, option) => number(value, option, { min: 1e-6, max: 1 }),
  seed: (value, option) => number(value, option, { min: 0, max: SEED_MAX, whole: true }),
  seconds: (value, option) => number(value, option, { min: 0, max: SECONDS_MAX }),
  eni: (value, option) => id(value, option, 'eni'),
  task: (value, option) => {
    if (typeof value === 'string' && value !== '' && value.length <= 256) return value
    throw bad(`${option} is '${value}': it must be a text of 1 to 256 characters.`)
  },
  subnet: (value, option) => id(value, option, 'subnet'),
  group: (value, option) => id(value, option, 'sg'),
  instance: (value, option) => id(value, option, 'i'),
}

function readAction(value: unknown): string {
  const names = [...ACTIONS.keys()]
  if (typeof value === 'string' && names.some((name) => globMatches(value, name))) return value
  throw bad(`There is no action '${value}' in the lab. Its actions are: ${names.join(', ')}.`)
}

function id(value: unknown, option: string, prefix: 'eni' | 'i' | 'subnet' | 'sg'): string {
  if (typeof value === 'string' && isId(prefix, value)) return value
  throw bad(`${option} is '${value}': it must be an id such as ${prefix}-0123456789abcdef0.`)
}

function number(
  value: unknown,
  option: string,
  { min, max, whole = false }: { min: number; max: number; whole?: boolean },
): number {
  const good = typeof value === 'number' && value >= min && value <= max
  if (good && (!whole || Number.isInteger(value))) return value
  const what = whole ? 'a whole number' : 'a number'
  throw bad(`${option} is '${value}': it must be ${what} from ${min} to ${max}.`)
}

function fieldsOf(body: unknown): Map<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    return new Map<string, unknown>(Object.entries(body))
  }
  throw bad('The body must be an object with a name.')
}

function take(fields: Map<string, unknown>, name: string): unknown {
  const value = fields.get(name)
  fields.delete(name)
  return value
}

const takes = ({ options }: Kind): string => `It takes: ${options.join(', ')}.`

const bad = (message: string): Refusal => new Refusal('BadRequest', message)
