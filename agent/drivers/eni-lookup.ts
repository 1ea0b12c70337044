// ENIs as EC2 describes them now. Questions of the same moment (many tasks, one restart) travel in
// one call, and while that call waits for its turn, more of them come along. Asked by filter, not by
// id: an id that does not exist would fail the whole call, and filtered calls have the larger rate.

import type { Filter, NetworkInterface } from '@aws-sdk/client-ec2'
import { BACKGROUND, type CalledFor, type Priority, type Purpose } from '../budget.ts'
import { unlessAborted } from './abort.ts'
import type { Ec2 } from './ec2.ts'

export type EniLookup = {
  /** The ENI, or undefined where EC2 shows none (yet: EC2 is eventually consistent). */
  byId(eniId: string, signal: AbortSignal, why?: Purpose): Promise<NetworkInterface | undefined>
  /** All ENIs that carry all of these tags. */
  byTags(
    tags: Readonly<Record<string, string>>,
    signal: AbortSignal,
    why?: Purpose,
  ): Promise<NetworkInterface[]>
}

/** How long a question waits for company, milliseconds. */
const GATHER_MS = 5
/** EC2 takes 200 values of a filter (VPC CNI: pkg/awsutils), and a page of 1000. */
const BATCH_MAX = 200
const PAGE_MAX = 1000

type Batch = {
  readonly ids: Set<string>
  /** Who waits for the answer, for the budget to show. */
  readonly rows: Set<CalledFor>
  readonly answer: Promise<Map<string, NetworkInterface>>
}

/** Opens the lookup over one client. */
export function openEniLookup(ec2: Ec2): EniLookup {
  // One for each priority: who is in a hurry does not travel with who is not.
  const gathering = new Map<Priority, Batch>()

  function join(eniId: string, priority: Priority): Batch {
    const open = gathering.get(priority)
    const batch = open !== undefined && open.ids.size < BATCH_MAX ? open : begin(priority)
    batch.ids.add(eniId)
    return batch
  }

  function begin(priority: Priority): Batch {
    const ids = new Set<string>()
    const rows = new Set<CalledFor>()
    const answer = ask(ids, { priority, rows })
    // Each who asked hears of a failure; when all gave up, nobody needs to.
    answer.catch(() => {})
    const batch = { ids, rows, answer }
    gathering.set(priority, batch)
    return batch
  }

  async function ask(ids: Set<string>, why: Purpose): Promise<Map<string, NetworkInterface>> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS))
    const filters = () => {
      if (gathering.get(why.priority)?.ids === ids) gathering.delete(why.priority)
      return [{ Name: 'network-interface-id', Values: [...ids] }]
    }
    // Nobody's signal: one who gives up must not take the answer from the others.
    const found = await describe(filters, new AbortController().signal, why)
    return new Map(found.map((eni) => [eni.NetworkInterfaceId ?? '', eni]))
  }

  async function describe(
    filters: () => Filter[],
    signal: AbortSignal,
    why: Purpose,
  ): Promise<NetworkInterface[]> {
    const found: NetworkInterface[] = []
    let token: string | undefined
    do {
      const page = token === undefined ? {} : { NextToken: token }
      const input = () => ({ Filters: filters(), MaxResults: PAGE_MAX, ...page })
      const answer = await ec2.call('DescribeNetworkInterfaces', input, signal, why)
      found.push(...(answer.NetworkInterfaces ?? []))
      token = answer.NextToken
    } while (token !== undefined && token !== '')
    return found
  }

  return {
    async byId(eniId, signal, { priority, rows = [] } = BACKGROUND) {
      const batch = join(eniId, priority)
      for (const row of rows) batch.rows.add(row)
      try {
        return (await unlessAborted(batch.answer, signal, 'the lookup')).get(eniId)
      } finally {
        for (const row of rows) batch.rows.delete(row)
      }
    },

    async byTags(tags, signal, why = BACKGROUND) {
      const named = Object.entries(tags).map(([key, value]) => ({
        Name: `tag:${key}`,
        Values: [value],
      }))
      return await describe(() => named, signal, why)
    },
  }
}
