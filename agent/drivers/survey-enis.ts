// What EC2 shows of ENIs to a survey: one filtered describe by the key of our mark, and one more by
// id for those that a task holds and the mark does not show.

import type { DescribeNetworkInterfacesResult, Filter, NetworkInterface } from '@aws-sdk/client-ec2'
import { MARK } from './driver.ts'
import { type SeenEni, wearerOf } from './survey.ts'

/** EC2 takes 200 values of a filter. */
const FILTER_VALUES_MAX = 200

/** Asks EC2 for one page. */
export type Describe = (
  filter: Filter,
  token: string | undefined,
) => Promise<DescribeNetworkInterfacesResult>

/** Those that wear a mark, and those asked for by id whatever they wear. */
export async function enisOf(
  describe: Describe,
  instanceId: string,
  knownEniIds: readonly string[],
): Promise<SeenEni[]> {
  const marked = await pagesOf(describe, { Name: 'tag-key', Values: [MARK.instance] })
  const shown = new Set(marked.map(({ NetworkInterfaceId: eniId }) => eniId))
  const known = new Set(knownEniIds)
  const hidden = knownEniIds.filter((eniId) => !shown.has(eniId))
  const found = [...marked]
  for (let at = 0; at < hidden.length; at += FILTER_VALUES_MAX) {
    const values = hidden.slice(at, at + FILTER_VALUES_MAX)
    found.push(...(await pagesOf(describe, { Name: 'network-interface-id', Values: values })))
  }
  return found
    .filter((eni) => {
      // Part of another host's mark is that host's business.
      const tags = tagsOf(eni)
      const isWhole = wearerOf(tags) !== undefined
      return (
        isWhole || tags[MARK.instance] === instanceId || known.has(eni.NetworkInterfaceId ?? '')
      )
    })
    .map(seenEni)
}

async function pagesOf(describe: Describe, filter: Filter): Promise<NetworkInterface[]> {
  const found: NetworkInterface[] = []
  let token: string | undefined
  do {
    const answer = await describe(filter, token)
    found.push(...(answer.NetworkInterfaces ?? []))
    token = answer.NextToken
  } while (token !== undefined && token !== '')
  return found
}

function seenEni(eni: NetworkInterface): SeenEni {
  const { NetworkInterfaceId: eniId = '', Status: status = '', Attachment: at } = eni
  const wears = wearerOf(tagsOf(eni))
  const securityGroupIds = eni.Groups?.map(({ GroupId }) => GroupId ?? '')
  const seen = {
    what: 'eni' as const,
    eniId,
    status,
    ...(wears === undefined ? {} : { wears }),
    ...(securityGroupIds === undefined ? {} : { securityGroupIds }),
    ...(eni.Association?.AllocationId ? { allocationId: eni.Association.AllocationId } : {}),
  }
  if (at === undefined || at.Status === 'detached') return seen
  const attachment = {
    attachmentId: at.AttachmentId ?? '',
    // An attachment of an AWS service names no instance; index 0 is never touched.
    instanceId: at.InstanceId ?? '',
    deviceIndex: at.DeviceIndex ?? 0,
    status: at.Status ?? '',
    isGuarded: at.DeleteOnTermination ?? false,
    ...(at.AttachTime === undefined ? {} : { attachedAt: at.AttachTime.getTime() }),
  }
  return { ...seen, attachment }
}

const tagsOf = ({ TagSet: tags = [] }: NetworkInterface): Record<string, string> =>
  Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))
