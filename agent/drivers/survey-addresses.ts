// What EC2 shows of Elastic IPs to a survey: those that wear a mark, whichever instance's, in one call.

import { MARK } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import { type SeenAddress, wearerOf } from './survey.ts'

/** The addresses that were allocated for tasks. EC2 answers all at once. */
export async function addressesOf(
  { ec2 }: { readonly ec2: Pick<Ec2, 'call'> },
  signal: AbortSignal,
): Promise<SeenAddress[]> {
  const input = { Filters: [{ Name: 'tag-key', Values: [MARK.instance] }] }
  const { Addresses = [] } = await ec2.call('DescribeAddresses', input, signal)
  return Addresses.flatMap(({ AllocationId: allocationId = '', AssociationId, Tags = [] }) => {
    const wears = wearerOf(Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value])))
    const associated = AssociationId ? { associationId: AssociationId } : {}
    const seen = { what: 'address' as const, allocationId, ...associated }
    return wears === undefined ? [] : [{ ...seen, wears }]
  })
}
