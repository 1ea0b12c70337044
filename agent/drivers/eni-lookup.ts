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

/**
 * How long a question waits for company, milliseconds. Who stops has time: EC2 takes seconds to
 * detach, and five stops a second would otherwise look twenty times.
 */
const GATHER_MS: Readonly<Record<Priority, number>> = {
  launch: 5,
  release: 200,
  spare: 200,
  sweep: 200,
}
/** EC2 takes 200 values of a filter (VPC CNI: pkg/awsutils), and a page of 1000. */
const BATCH_MAX = 200
const PAGE_MAX = 1000

type Tags = Readonly<Record<string, string>>
type Batch<Q> = {
  readonly asked: Set<Q>
  /** Who waits for the answer, for the budget to show. */
  readonly rows: Set<CalledFor>
  readonly answer: Promise<readonly NetworkInterface[]>
}
/** One kind of question; the answer to all that travelled together. */
type Ask<Q> = (asked: Q, signal: AbortSignal, why: Purpose) => Promise<readonly NetworkInterface[]>

/** Opens the lookup over one client. */
export function openEniLookup(ec2: Ec2): EniLookup {
  const byIds = gather<string>(ec2, (ids) => [
    { Name: 'network-interface-id', Values: [...new Set(ids)] },
  ])
  // Each filter has the values of all: what carries one's value of this and another's of that comes
  // along, and is nobody's answer.
  const byMarks = gather<Tags>(ec2, (all) => {
    const keys = [...new Set(all.flatMap((tags) => Object.keys(tags)))]
    const values = (key: string) => [...new Set(all.flatMap((tags) => tags[key] ?? []))]
    return keys.map((key) => ({ Name: `tag:${key}`, Values: values(key) }))
  })
  return {
    async byId(eniId, signal, why = BACKGROUND) {
      const found = await byIds(eniId, signal, why)
      return found.find(({ NetworkInterfaceId }) => NetworkInterfaceId === eniId)
    },

    async byTags(tags, signal, why = BACKGROUND) {
      const found = await byMarks(tags, signal, why)
      return found.filter((eni) => carries(eni, tags))
    },
  }
}

const carries = ({ TagSet = [] }: NetworkInterface, tags: Tags): boolean =>
  Object.entries(tags).every(([key, value]) =>
    TagSet.some(({ Key, Value }) => Key === key && Value === value),
  )

/** Questions of one kind, as filters that ask all of them at once. */
function gather<Q>(ec2: Ec2, filtersOf: (asked: readonly Q[]) => Filter[]): Ask<Q> {
  // One for each priority: who is in a hurry does not travel with who is not.
  const gathering = new Map<Priority, Batch<Q>>()

  function begin(priority: Priority): Batch<Q> {
    const asked = new Set<Q>()
    const rows = new Set<CalledFor>()
    const answer = ask(asked, { priority, rows })
    // Each who asked hears of a failure; when all gave up, nobody needs to.
    answer.catch(() => {})
    const batch = { asked, rows, answer }
    gathering.set(priority, batch)
    return batch
  }

  async function ask(asked: Set<Q>, why: Purpose): Promise<readonly NetworkInterface[]> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS[why.priority]))
    const filters = () => {
      if (gathering.get(why.priority)?.asked === asked) gathering.delete(why.priority)
      return filtersOf([...asked])
    }
    // Nobody's signal: one who gives up must not take the answer from the others.
    return await describe(ec2, filters, new AbortController().signal, why)
  }

  return async (question, signal, { priority, rows = [] }) => {
    const open = gathering.get(priority)
    const batch = open !== undefined && open.asked.size < BATCH_MAX ? open : begin(priority)
    batch.asked.add(question)
    for (const row of rows) batch.rows.add(row)
    try {
      return await unlessAborted(batch.answer, signal, 'the lookup')
    } finally {
      for (const row of rows) batch.rows.delete(row)
    }
  }
}

async function describe(
  ec2: Ec2,
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
