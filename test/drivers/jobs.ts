// What a driver is told, made by hand: one holder, one row, and what is known of the others.

import { randomBytes } from 'node:crypto'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import type { Host } from '../../agent/orders.ts'
import { clientToken } from '../../state/allocation.ts'
import type { ContainerSpec, Spec } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'

/** A host that nobody else is: each test file brings its own instance id. */
export const newHost = (): Host => ({
  instanceId: `i-${randomBytes(9).toString('hex').slice(0, 17)}`,
  instanceType: 'lab.unlimited',
  accountId: '123456789012',
  region: 'us-west-2',
  availabilityZone: 'us-west-2a',
  vpcId: 'vpc-1',
  subnetId: 'subnet-host',
  primaryMac: '02:00:00:00:00:01',
  eniCountMax: 15,
  nameServers: ['10.0.0.2'],
  searchDomains: ['us-west-2.compute.internal'],
})

/** A holder's id that was never used before. */
export const newHolderId = (): string => randomBytes(16).toString('hex')

export const container = (change: Partial<ContainerSpec> = {}): ContainerSpec => ({
  name: 'app',
  image: 'enid-test/app:1',
  essential: true,
  dependsOn: [],
  environment: {},
  dockerLabels: {},
  stopTimeoutMs: 2_000,
  ...change,
})

export const spec = (change: Partial<Spec> = {}): Spec => ({
  kind: 'task',
  enis: [{ subnetIds: ['subnet-a'], securityGroupIds: ['sg-1'], tags: {} }],
  containers: [container()],
  blockImds: true,
  family: 'web',
  asked: null,
  ...change,
})

type WithIpv4 = Extract<Details['eni'], { ipv4: string }>

export const eniDetails = (change: Partial<WithIpv4> = {}): WithIpv4 => ({
  eniId: 'eni-1',
  mac: '02:00:00:00:00:05',
  subnetId: 'subnet-a',
  vpcId: 'vpc-1',
  ipv4: '10.0.0.5',
  ipv4PrefixLength: 24,
  ipv4Gateway: '10.0.0.1',
  privateDnsName: 'ip-10-0-0-5.us-west-2.compute.internal',
  securityGroupIds: ['sg-1'],
  ...change,
})

/** The same of a subnet of IPv6 alone: EC2 has no name for it. */
export const ipv6Details = (change: Partial<Details['eni']> = {}): Details['eni'] => ({
  eniId: 'eni-1',
  mac: '02:00:00:00:00:05',
  subnetId: 'subnet-v6only',
  vpcId: 'vpc-1',
  ipv6: 'fd00::5',
  ipv6PrefixLength: 64,
  securityGroupIds: ['sg-1'],
  ...(change as object),
})

type Known = Partial<Record<RowId, Details[keyof Details]>>

/** A job. `known` by row; `again` is false unless told. */
export function job(
  row: RowId,
  change: Partial<Pick<Job, 'holderId' | 'spec' | 'again' | 'leftMs' | 'choice' | 'token'>> & {
    known?: Known
    choices?: Partial<Record<RowId, string>>
  } = {},
): Job {
  const { known = {}, choices = {}, ...rest } = change
  const holderId = rest.holderId ?? newHolderId()
  return {
    spec: spec(),
    row,
    again: false,
    leftMs: Number.POSITIVE_INFINITY,
    token: clientToken(holderId, row, 0),
    ...rest,
    holderId,
    choiceOf: (id) => choices[id],
    known: (_kind, id) => known[id] as never,
    details: (_kind, id) => {
      if (known[id] === undefined) throw new Error(`no details of ${id}`)
      return known[id] as never
    },
  }
}

/** The mark of a job's row as labels or tags. */
export const mark = (
  { instanceId }: Pick<Host, 'instanceId'>,
  { holderId, row }: Pick<Job, 'holderId' | 'row'>,
): Record<string, string> => ({
  [MARK.instance]: instanceId,
  [MARK.holder]: holderId,
  [MARK.row]: row,
})

/** A signal that never aborts. */
export const never = (): AbortSignal => new AbortController().signal
