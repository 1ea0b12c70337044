// Worlds as text and back: JSON, in which a Map and a Date say what they are. Nothing of the model is
// named here, so what a new kind of thing is made of needs no line; what JSON cannot say exactly is
// refused, and never written as something else.

/**
 * A value as JSON. Throws an Error that names where, when it holds what would come back as something
 * else: undefined in a list, NaN, a Set, an instance of a class, a function.
 */
export const toJson = (value: unknown, at: string): string => JSON.stringify(plain(value, at))

/** The value that `toJson` wrote. Throws on anything that it did not write. */
export const fromJson = (text: string): unknown => rich(JSON.parse(text))

type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain }

function plain(value: unknown, at: string): Plain {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return value
  if (Array.isArray(value)) return value.map((each, index) => plain(each, `${at}[${index}]`))
  if (value instanceof Date) return { $date: value.toISOString() }
  if (value instanceof Map) return { $map: pairs(value, at) }
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new Error(`the lab cannot store ${at}: it is ${nameOf(value)}`)
  }
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  // One whose own keys look like ours is written as pairs, so that none is ever taken for the other.
  if (entries.some(([key]) => key.startsWith('$') || key === '__proto__')) {
    return { $object: pairs(entries, at) }
  }
  return Object.fromEntries(entries.map(([key, each]) => [key, plain(each, `${at}.${key}`)]))
}

const pairs = (entries: Iterable<readonly [unknown, unknown]>, at: string): Plain[] =>
  [...entries].map(([key, value]) => {
    const within = `${at}.${String(key)}`
    return [plain(key, within), plain(value, within)]
  })

function rich(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(rich)
  if ('$date' in value) return dateOf(value.$date)
  if ('$map' in value) return new Map(pairsOf(value.$map))
  if ('$object' in value) return Object.fromEntries(pairsOf(value.$object))
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, rich(each)]))
}

function pairsOf(list: unknown): [string, unknown][] {
  if (!Array.isArray(list)) throw new Error('pairs that are no list')
  return list.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new Error('a pair that is none')
    return [rich(pair[0]) as string, rich(pair[1])]
  })
}

function dateOf(text: unknown): Date {
  const date = new Date(String(text))
  if (Number.isNaN(date.getTime())) throw new Error(`'${String(text)}' is no time`)
  return date
}

const nameOf = (value: unknown): string =>
  typeof value === 'object' ? `an instance of ${value?.constructor?.name}` : String(value)
