// What every Describe does with its rows: filters (AND between names, OR between values, wildcards),
// then pages. A page ends at a row's key and the next one begins after it, so that rows made or deleted
// between two pages never make another row appear twice or not at all. What the caller sees of that
// key is a token (page-token.ts).

import { QUOTA } from '../model/quota.ts'
import { notInLab, Refusal } from '../model/refusal.ts'
import { globMatches } from './glob.ts'

/** The input members that a listing understands. */
export type ListingInput = {
  readonly Filters?: readonly Filter[] | undefined
  readonly MaxResults?: number | undefined
  /** The key of the last row of the page before. */
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
  /** Filters that EC2 documents, about what the lab's answer does not say: refused by name. */
  readonly unsaid?: readonly string[]
  /** Present when rows of this kind have tags: allows `tag:KEY` and `tag-key`. */
  readonly tags?: (row: Row) => readonly Tag[] | undefined
  /** The least and most rows of a page; absent when the action has no pages. */
  readonly pages?: { readonly min: number; readonly max: number }
}

/** Filters on what no row of the lab ever has: they match nothing. */
export const nothing = (...names: readonly string[]): Record<string, () => undefined> =>
  Object.fromEntries(names.map((name) => [name, () => undefined]))

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
  const { Filters: filters = [] } = input
  if (filters.length > QUOTA.filters) {
    throw new Refusal(
      'FilterLimitExceeded',
      `The maximum number of filters specified on a single call is ${QUOTA.filters}.`,
    )
  }
  const tests = filters.map((filter) => test(filter, listing))
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
  const long = values.find((value) => value.length > QUOTA.filterLength)
  if (long !== undefined) {
    throw new Refusal(
      'InvalidParameterValue',
      `A value of the filter '${name}' has ${long.length} characters: at most ` +
        `${QUOTA.filterLength} are allowed.`,
    )
  }
  return (row) => {
    const found = view(row)
    const texts = (Array.isArray(found) ? found : [found]).filter((v) => v !== undefined)
    return texts.some((text) => values.some((value) => globMatches(value, String(text))))
  }
}

function viewOf<Row>(name: string, listing: Listing<Row>): FilterOf<Row> {
  const { filters, tags, unsaid = [] } = listing
  const view = Object.hasOwn(filters, name) ? filters[name] : undefined
  if (view !== undefined) return view
  if (tags !== undefined) {
    if (name === 'tag-key') return (row) => (tags(row) ?? []).map((tag) => tag.Key)
    if (name.startsWith('tag:')) {
      const key = name.slice('tag:'.length)
      return (row) => (tags(row) ?? []).filter((tag) => tag.Key === key).map((tag) => tag.Value)
    }
  }
  if (unsaid.includes(name)) throw notInLab(`the filter '${name}'`, 'Leave it out.')
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
  const sorted = rows
    .filter((row) => token === undefined || key(row) > token)
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
  const taken = sorted.slice(0, size ?? pages.max)
  const last = taken.at(-1)
  if (last === undefined || taken.length === sorted.length) return { rows: taken }
  return { rows: taken, NextToken: key(last) }
}
