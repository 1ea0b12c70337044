// ENIs as EC2 describes them now. Questions of the same moment (many tasks, one restart) travel in
// one call. Asked by filter, not by id: an id that does not exist would fail the whole call, and
// filtered calls have the larger rate limit.

import type { Filter, NetworkInterface } from '@aws-sdk/client-ec2'
import { Failure } from '../failure.ts'
import type { Ec2 } from './ec2.ts'

export type EniLookup = {
  /** The ENI, or undefined where EC2 shows none (yet: EC2 is eventually consistent). */
  byId(eniId: string, signal: AbortSignal): Promise<NetworkInterface | undefined>
  /** All ENIs that carry all of these tags. */
  byTags(tags: Readonly<Record<string, string>>, signal: AbortSignal): Promise<NetworkInterface[]>
}

/** How long a question waits for company, milliseconds. */
const GATHER_MS = 5
/** EC2 takes 200 values of a filter (VPC CNI: pkg/awsutils), and a page of 1000. */
const BATCH_MAX = 200
const PAGE_MAX = 1000

type Batch = { readonly ids: Set<string>; readonly answer: Promise<Map<string, NetworkInterface>> }

/** Opens the lookup over one client. */
export function openEniLookup(ec2: Ec2): EniLookup {
  let gathering: Batch | undefined

  function join(eniId: string): Batch {
    if (gathering === undefined || gathering.ids.size >= BATCH_MAX) {
      const ids = new Set<string>()
      const batch: Batch = { ids, answer: ask(ids) }
      // Each who asked hears of a failure; when all gave up, nobody needs to.
      batch.answer.catch(() => {})
      gathering = batch
    }
    gathering.ids.add(eniId)
    return gathering
  }

  async function ask(ids: Set<string>): Promise<Map<string, NetworkInterface>> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS))
    if (gathering?.ids === ids) gathering = undefined
    const filter = { Name: 'network-interface-id', Values: [...ids] }
    // Nobody's signal: one who gives up must not take the answer from the others.
    const found = await describe([filter], new AbortController().signal)
    return new Map(found.map((eni) => [eni.NetworkInterfaceId ?? '', eni]))
  }

  async function describe(filters: Filter[], signal: AbortSignal): Promise<NetworkInterface[]> {
    const found: NetworkInterface[] = []
    let token: string | undefined
    do {
      const page = token === undefined ? {} : { NextToken: token }
      const input = { Filters: filters, MaxResults: PAGE_MAX, ...page }
      const answer = await ec2.call('DescribeNetworkInterfaces', input, signal)
      found.push(...(answer.NetworkInterfaces ?? []))
      token = answer.NextToken
    } while (token !== undefined && token !== '')
    return found
  }

  return {
    async byId(eniId, signal) {
      const { promise: givenUp, reject } = Promise.withResolvers<never>()
      const giveUp = () => reject(new Failure('transient', 'Aborted', 'the lookup was given up'))
      signal.addEventListener('abort', giveUp)
      if (signal.aborted) giveUp()
      try {
        return (await Promise.race([join(eniId).answer, givenUp])).get(eniId)
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
    },
    byTags: (tags, signal) =>
      describe(
        Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] })),
        signal,
      ),
  }
}
