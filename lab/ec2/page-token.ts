// The token between two pages: the key of the last row that was given, bound to the call it was
// given for. One that is nobody's, of another action or of the same one asked otherwise is refused.

import { createHash } from 'node:crypto'
import { Refusal } from '../model/refusal.ts'

/** The input of a call with the row's key in place of the token; InvalidNextToken when it is not ours. */
export function openToken(action: string, input: object): object {
  if (!('NextToken' in input) || typeof input.NextToken !== 'string') return input
  return { ...input, NextToken: readToken(input.NextToken, fingerprint(action, input)) }
}

/** The answer of that call with a token in place of the row's key. */
export function sealToken(action: string, input: object, output: object): object {
  if (!('NextToken' in output) || typeof output.NextToken !== 'string') return output
  const token = JSON.stringify([fingerprint(action, input), output.NextToken])
  return { ...output, NextToken: Buffer.from(token).toString('base64url') }
}

/** What a token belongs to: the action and all it was asked, but for the size of its pages. */
function fingerprint(action: string, input: object): string {
  const asked = Object.entries(input).filter(([name]) => !PAGING.has(name))
  asked.sort(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify([action, asked])
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

const PAGING: ReadonlySet<string> = new Set(['MaxResults', 'NextToken', 'DryRun'])

function readToken(token: string, mark: string): string {
  try {
    const read: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    if (Array.isArray(read) && read[0] === mark && typeof read[1] === 'string') return read[1]
  } catch {
    // Not a token of ours: refused below.
  }
  throw new Refusal('InvalidNextToken', 'The specified NextToken is not valid for this request.')
}
