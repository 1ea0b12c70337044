// The public address of a task's ENI: an Elastic IP that stands for its private address. One that the
// caller named is associated and disassociated, nothing more. A new one is allocated with our mark and
// released with the task. AllocateAddress takes no client token: what an answer that was lost has
// left behind is found by its mark, here or by the sweep.
//
//   ensure: [allocate] ─▶ associate      release: disassociate ─▶ [release]

import type { Address } from '@aws-sdk/client-ec2'
import { launching, type Purpose, releasing } from '../budget.ts'
import { Failure } from '../failure.ts'
import { publicIpWithoutIpv4 } from '../fixed-address.ts'
import type { Host } from '../orders.ts'
import { type Details, type Driver, eniOf, type Job, numberOf } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import { labelsOf } from './mark.ts'

export type PublicIpOptions = { readonly ec2: Pick<Ec2, 'call'>; readonly host: Host }

/** The driver of `publicIp:<n>` rows. */
export function publicIpDriver({ ec2, host }: PublicIpOptions): Driver<'publicIp'> {
  const markOf = ({ holderId, row }: Job) =>
    labelsOf({ instanceId: host.instanceId, holderId, row })

  async function find(
    filters: Readonly<Record<string, string>>,
    signal: AbortSignal,
    why: Purpose,
  ): Promise<Address[]> {
    const Filters = Object.entries(filters).map(([Name, value]) => ({ Name, Values: [value] }))
    return (await ec2.call('DescribeAddresses', { Filters }, signal, why)).Addresses ?? []
  }

  const byId = (id: string) => ({ 'allocation-id': id })
  const byMark = (job: Job) =>
    Object.fromEntries(Object.entries(markOf(job)).map(([key, value]) => [`tag:${key}`, value]))

  async function given(id: string, signal: AbortSignal, why: Purpose): Promise<Address> {
    const [address] = await find(byId(id), signal, why)
    if (address !== undefined) return address
    throw new Failure('refused', 'InvalidAllocationID.NotFound', `EC2 does not show ${id}`, {
      hint: 'Check the allocation id, and that the address is of this region and account.',
    })
  }

  /** The one that was allocated for this task; a new one where none is known or shown. */
  async function own(job: Job, signal: AbortSignal): Promise<Address> {
    const known = job.known('publicIp', job.row)
    const filter = known === undefined ? byMark(job) : byId(known.allocationId)
    const [there] = job.again ? await find(filter, signal, launching(job)) : []
    if (there !== undefined) return there
    const Tags = Object.entries(markOf(job)).map(([Key, Value]) => ({ Key, Value }))
    const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags }]
    const input = { Domain: 'vpc' as const, TagSpecifications }
    return await ec2.call('AllocateAddress', input, signal, launching(job))
  }

  async function disassociate(id: string, job: Job, signal: AbortSignal): Promise<void> {
    const call = ec2.call('DisassociateAddress', { AssociationId: id }, signal, releasing(job))
    await call.catch(unlessGone)
  }

  return {
    async ensure(job, signal): Promise<Details['publicIp']> {
      const { publicIp = NEW } = eniOf(job)
      const { eniId, ipv4 } = job.details('eni', `eni:${numberOf(job)}`)
      // A lent ENI that has none, in a subnet that others may have some of.
      if (ipv4 === undefined) throw publicIpWithoutIpv4(eniId)
      const address =
        publicIp === NEW ? await own(job, signal) : await given(publicIp, signal, launching(job))
      const { AllocationId: allocationId = '', PublicIp: publicIpv4 = '' } = address
      if (address.NetworkInterfaceId === eniId) return { allocationId, publicIpv4 }
      const input = {
        ...{ AllocationId: allocationId, NetworkInterfaceId: eniId, PrivateIpAddress: ipv4 },
        // Whoever else uses it is not cut off.
        AllowReassociation: false,
      }
      await ec2.call('AssociateAddress', input, signal, launching(job))
      return { allocationId, publicIpv4 }
    },

    async release(job, signal) {
      const { publicIp = NEW } = eniOf(job)
      const known = job.known('publicIp', job.row)
      const isOwn = publicIp === NEW
      const filter = isOwn && known === undefined ? byMark(job) : undefined
      const id = isOwn ? (known?.allocationId ?? '') : publicIp
      const eniId = job.known('eni', `eni:${numberOf(job)}`)?.eniId
      for (const address of await find(filter ?? byId(id), signal, releasing(job))) {
        const { AssociationId, NetworkInterfaceId, AllocationId = '' } = address
        // A given one that stands for another ENI by now is somebody else's business.
        const isOurs = isOwn || (NetworkInterfaceId === eniId && eniId !== undefined)
        if (AssociationId && isOurs) await disassociate(AssociationId, job, signal)
        if (!isOwn) continue
        const call = ec2.call('ReleaseAddress', { AllocationId }, signal, releasing(job))
        await call.catch(unlessGone)
      }
      return undefined
    },
  }
}

/** In the spec: one that is allocated for the task. */
const NEW = 'new'

function unlessGone(error: unknown): void {
  if (!(error instanceof Failure) || !/\.NotFound$/.test(error.code)) throw error
}
