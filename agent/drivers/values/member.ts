// One member of a secret that is a JSON object, as its container gets it.

import { Failure } from '../../failure.ts'

/** A text as it is, anything else as JSON. Throws a Failure that says no part of the secret. */
export function memberOf(text: string, key: string): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The parser's own words would quote it.
    throw refused('it is not JSON', key)
  }
  const isObject = typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, key)
  if (!isObject) throw refused(`retrieved secret did not contain json key ${key}`, key)
  const value = (parsed as Record<string, unknown>)[key]
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const refused = (why: string, key: string): Failure =>
  new Failure('refused', 'ResourceInitializationError', why, {
    hint: `valueFrom names the member ${key} of a secret that must be a JSON object`,
  })
