// EC2's request throttling: a token bucket for each action, for the whole account. The numbers are
// those of AWS's guide, "Request throttling for the Amazon EC2 API" (2025). A describe that is asked
// for neither a filter nor pages takes from a smaller bucket of its own; ids alone are no filter
// here, because the guide does not say that they are.

import type { CallFacts } from './call-facts.ts'

/** How much a bucket holds, and how much flows in a second. */
export type BucketSize = { readonly burst: number; readonly perSecond: number }

/** A bucket in use: how much it held when it was last looked at. */
export type Bucket = { readonly tokens: number; readonly atMs: number }

/** What the actions that are named in the guide have. */
const NAMED: Readonly<Record<string, BucketSize>> = {
  CreateNetworkInterface: { burst: 100, perSecond: 5 },
  DeleteNetworkInterface: { burst: 100, perSecond: 5 },
  ModifyNetworkInterfaceAttribute: { burst: 100, perSecond: 5 },
  AssignPrivateIpAddresses: { burst: 100, perSecond: 5 },
  UnassignPrivateIpAddresses: { burst: 100, perSecond: 5 },
  AssignIpv6Addresses: { burst: 100, perSecond: 5 },
  CreateTags: { burst: 100, perSecond: 10 },
  DeleteTags: { burst: 100, perSecond: 10 },
  // "Resource-intensive": the same numbers as other changes today, named apart by the guide.
  AuthorizeSecurityGroupIngress: { burst: 50, perSecond: 5 },
  RevokeSecurityGroupIngress: { burst: 50, perSecond: 5 },
  CreateSubnetCidrReservation: { burst: 5, perSecond: 1 },
  DeleteSubnetCidrReservation: { burst: 5, perSecond: 1 },
  RunInstances: { burst: 5, perSecond: 2 },
}
const READING: BucketSize = { burst: 100, perSecond: 20 }
const READING_ALL: BucketSize = { burst: 50, perSecond: 10 }
const CHANGING: BucketSize = { burst: 50, perSecond: 5 }

/** The describes that have a smaller bucket when they are asked for everything. */
const LARGE = new Set([
  'DescribeInstances',
  'DescribeInstanceStatus',
  'DescribeNetworkInterfaces',
  'DescribeSecurityGroups',
  'DescribeSnapshots',
  'DescribeSpotInstanceRequests',
  'DescribeVolumes',
])

/** The bucket that a call takes from: its name, and its size. */
export function bucketOf({ action, narrowed }: CallFacts): { name: string; size: BucketSize } {
  const named = NAMED[action]
  if (named !== undefined) return { name: action, size: named }
  if (!/^(Describe|Get|List|Search)/.test(action)) return { name: action, size: CHANGING }
  if (narrowed || !LARGE.has(action)) return { name: action, size: READING }
  return { name: `${action} (all)`, size: READING_ALL }
}

/** Takes one token, when there is one. Time that goes backwards fills nothing. */
export function takeToken(
  size: BucketSize,
  bucket: Bucket | undefined,
  nowMs: number,
): { taken: boolean; bucket: Bucket } {
  const before = bucket ?? { tokens: size.burst, atMs: nowMs }
  const elapsedMs = Math.max(0, nowMs - before.atMs)
  const tokens = Math.min(size.burst, before.tokens + (elapsedMs / 1000) * size.perSecond)
  // A token takes 1/perSecond to flow in: sums of floats must not cost the caller another.
  const taken = tokens >= 1 - 1e-9
  const atMs = before.atMs + elapsedMs
  return { taken, bucket: { tokens: taken ? Math.max(0, tokens - 1) : tokens, atMs } }
}
