// What every Describe does with its rows: filters (AND between names, OR between values, wildcards),
// then pages. A page ends at a row's key and the token names that key, so that rows made or deleted
// between two pages never make another row appear twice or not at all.

import { createHash } from 'node:crypto'
import { QUOTA } from '../model/quota.ts'
import { Refusal } from '../model/refusal.ts'
import { globMatches } from './glob.ts'

/** The input members that a listing understands. */
export type ListingInput = {
  readonly Filters?: readonly Filter[] | undefined
  readonly MaxResults?: number | undefined
  readonly NextToken?: string | undefined
}

type Filter = {
  readonly Name?: string | undefined
  readonly Values?: readonly string[] | undefined
}

type Tag = { readonly Key?: string | undefined; readonly Value?: string | undefined }

/** A filter's view of a row: the values it is compared with. */
export type FilterValue = string | number | boolean | undefined
export type FilterOf<Row> = (row: Row) => FilterValue | readonly FilterValue[]

/** How one kind of row is listed. */
export type Listing<Row> = {
  /** Unique among the rows, and stable. */
  readonly key: (row: Row) => string
  readonly filters: Readonly<Record<string, FilterOf<Row>>>
  /** Present when rows of this kind have tags: allows `tag:KEY`, `tag-key` and `tag-value`. */
  readonly tags?: (row: Row) => readonly Tag[] | undefined
  /** The least and most rows of a page; absent when the action has no pages. */
  readonly pages?: { readonly min: number; readonly max: number }
}

/** Most actions' page sizes. */
export const PAGES_OF_1000 = { min: 5, max: 1000 } as const
/** Those of prefix lists and of what names them. */
export const PAGES_OF_100 = { min: 1, max: 100 } as const
export const PAGES_OF_255 = { min: 5, max: 255 } as const

/** The rows that pass, in pages where asked. `byId` says that the caller listed ids. */
export function list<Row>(
  rows: readonly Row[],
  input: ListingInput,
  listing: Listing<Row>,
  byId = false,
): { rows: Row[]; NextToken?: string } {
  const tests = (input.Filters ?? []).map((filter) => test(filter, listing))
  const passed = rows.filter((row) => tests.every((passes) => passes(row)))
  return page(passed, input, listing, byId)
}

function test<Row>(filter: Filter, listing: Listing<Row>): (row: Row) => boolean {
  const { Name: name, Values: values } = filter
  if (name === undefined || name === '') {
    throw new Refusal('MissingParameter', 'The request must contain the parameter Filter.Name')
  }
  const view = viewOf(name, listing)
  if (values === undefined || values.length === 0) {
    throw new Refusal(
      'InvalidParameterValue',
      `The filter '${name}' has no values: give it at least one.`,
    )
  }
  if (values.length > QUOTA.filterValues) {
    throw new Refusal(
      'FilterLimitExceeded',
      `The maximum number of filter values specified on a single call is ${QUOTA.filterValues}.`,
    )
  }
  return (row) => {
    const found = view(row)
    const texts = (Array.isArray(found) ? found : [found]).filter((v) => v !== undefined)
    return texts.some((text) => values.some((value) => globMatches(value, String(text))))
  }
}

function viewOf<Row>(name: string, listing: Listing<Row>): FilterOf<Row> {
  const { filters, tags } = listing
  const view = Object.hasOwn(filters, name) ? filters[name] : undefined
  if (view !== undefined) return view
  if (tags !== undefined) {
    if (name === 'tag-key') return (row) => (tags(row) ?? []).map((tag) => tag.Key)
    if (name === 'tag-value') return (row) => (tags(row) ?? []).map((tag) => tag.Value)
    if (name.startsWith('tag:')) {
      const key = name.slice('tag:'.length)
      return (row) => (tags(row) ?? []).filter((tag) => tag.Key === key).map((tag) => tag.Value)
    }
  }
  throw new Refusal('InvalidParameterValue', `The filter '${name}' is invalid`)
}

function page<Row>(
  rows: Row[],
  input: ListingInput,
  { key, pages }: Listing<Row>,
  byId: boolean,
): { rows: Row[]; NextToken?: string } {
  const { MaxResults: size, NextToken: token } = input
  if (pages === undefined || (size === undefined && token === undefined)) return { rows }
  if (byId) {
    throw new Refusal(
      'InvalidParameterCombination',
      'The parameter MaxResults cannot be used together with a list of ids in the same call.',
    )
  }
  if (size !== undefined && (size < pages.min || size > pages.max)) {
    throw new Refusal(
      'InvalidParameterValue',
      `Value ( ${size} ) for parameter maxResults is invalid. ` +
        `Expecting a value between ${pages.min} and ${pages.max}.`,
    )
  }
  const mark = fingerprint(input)
  const after = token === undefined ? '' : readToken(token, mark)
  const sorted = rows.filter((row) => key(row) > after).sort((a, b) => (key(a) < key(b) ? -1 : 1))
  const taken = sorted.slice(0, size ?? pages.max)
  const last = taken.at(-1)
  if (last === undefined || taken.length === sorted.length) return { rows: taken }
  const next = Buffer.from(JSON.stringify([mark, key(last)])).toString('base64url')
  return { rows: taken, NextToken: next }
}

/** What a token belongs to: the filters it was given for. */
function fingerprint({ Filters = [] }: ListingInput): string {
  return createHash('sha256').update(JSON.stringify(Filters)).digest('hex').slice(0, 12)
}

function readToken(token: string, mark: string): string {
  try {
    const read: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    if (Array.isArray(read) && read[0] === mark && typeof read[1] === 'string') return read[1]
  } catch {
    // Not a token of ours: refused below.
  }
  throw new Refusal('InvalidNextToken', 'The specified NextToken is not valid for this request.')
}
