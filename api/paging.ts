// Pages of a list. The token names the last item given out, so that what comes or goes meanwhile
// neither repeats nor skips an item; it also carries a hash of the question it belongs to.

import { createHash } from 'node:crypto'
import { invalid, shown } from './aws-error.ts'

/** ECS: at most 100 items come at once, and that is the default. */
const PAGE_MAX = 100

type Question = {
  readonly nextToken?: string | undefined
  readonly maxResults?: number | undefined
}

/**
 * The next page of `items`, which lie in the order of their keys (`descending`: the other way
 * round). Throws for a token that is not ours or belongs to another question.
 */
export function page<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  question: Question & object,
  { descending = false }: { descending?: boolean } = {},
): { items: T[]; nextToken?: string } {
  const { nextToken, maxResults = PAGE_MAX, ...filters } = question
  if (maxResults < 1 || maxResults > PAGE_MAX) {
    throw invalid('maxResults', `${maxResults} is outside 1 to ${PAGE_MAX}`)
  }
  const hash = hashOf(filters)
  const after = nextToken === undefined ? undefined : readToken(nextToken, hash)
  const isLater = (key: string) => after === undefined || (descending ? key < after : key > after)
  const rest = items.filter((item) => isLater(keyOf(item)))
  const taken = rest.slice(0, maxResults)
  const last = taken.at(-1)
  return rest.length > taken.length && last !== undefined
    ? { items: taken, nextToken: writeToken(keyOf(last), hash) }
    : { items: taken }
}

const hashOf = (filters: object): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(filters).toSorted(([a], [b]) => (a < b ? -1 : 1))))
    .digest('hex')
    .slice(0, 16)

const writeToken = (key: string, hash: string): string =>
  Buffer.from(JSON.stringify([hash, key])).toString('base64url')

function readToken(token: string, hash: string): string {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    if (Array.isArray(parts) && parts[0] === hash && typeof parts[1] === 'string') return parts[1]
  } catch {
    // Not one of ours: said below.
  }
  const hint = 'Send it back as it came, with the same filters'
  throw invalid('nextToken', `Invalid token ${shown(token)}`, hint)
}
