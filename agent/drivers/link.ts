// The kernel's side of an ENI: its network card, found by MAC, taken into the task's namespace,
// configured, cut off from the metadata service and verified, all before a container starts there.
// What is done and in which order is the kernel hands' business; this says what is wanted.

import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import type { Details, Driver, Job } from './driver.ts'
import { numberOf } from './driver.ts'
import type { Kernel } from './kernel/kernel.ts'
import { KernelError } from './kernel/kernel-error.ts'
import type { LinkExpectation } from './kernel/link.ts'
import { kernelFailure } from './kernel-failure.ts'
import { aliasOf } from './mark.ts'

/** The MTU inside a VPC (EC2 user guide, "Network MTU"). A link that allows less gets its most. */
const VPC_MTU = 9001

/**
 * How long a card that was in the task once, and is neither there nor on the host, may be on its way
 * or plugged in anew before it counts as gone, milliseconds.
 */
export const GONE_MS = 600

/** A task's further cards have routing tables of their own, from this number on. */
const TABLE_BASE = 100

/** The router of every VPC subnet, since November 2022, under a fixed link-local address. */
const ROUTER_IPV6 = 'fe80:ec2::1'

export type LinkOptions = {
  readonly kernel: Pick<Kernel, 'waitForLink' | 'takeIn' | 'giveBack' | 'verify'>
  readonly host: Host
  /**
   * How long one attempt waits for the card to appear, milliseconds. On EC2 usually under 5 s after
   * the attach, sometimes over 60 s (cilium 16494, PR 47570): the runner tries again.
   */
  readonly appearTimeoutMs?: number
  /** How long the router may take to answer, milliseconds. */
  readonly gatewayTimeoutMs?: number
}

/** The driver of `link:<n>` rows. */
export function linkDriver(options: LinkOptions): Driver<'link'> {
  const { kernel, host, appearTimeoutMs = 30_000, gatewayTimeoutMs = 5_000 } = options

  async function takeIn(job: Job, signal: AbortSignal): Promise<Details['link']> {
    const wanted = expectationOf(job, host)
    const take = () => kernel.takeIn(wanted, { signal, gatewayTimeoutMs })
    const wasHeld = job.known('link', job.row) !== undefined
    const timeoutMs = Math.min(wasHeld ? GONE_MS : appearTimeoutMs, job.leftMs)
    const appear = () =>
      kernel.waitForLink(wanted.mac, { timeoutMs, signal }).catch((error) => {
        if (!wasHeld || !(error instanceof KernelError) || error.errno !== 'ETIMEDOUT') throw error
        throw linkGone(error)
      })
    // In doubt the card may be inside already, where waiting for it on the host would be in vain.
    if (!job.again) await appear()
    const { ifindex, mtu, gatewayMac } = await take().catch(async (error) => {
      if (!(error instanceof KernelError) || error.errno !== 'ENODEV') throw error
      await appear()
      return await take()
    })
    return { ifindex, mtu, gatewayMac }
  }

  /** A spare's stands down: where it still does, it is not taken up to see whether it would. */
  async function standing(job: Job): Promise<Details['link'] | undefined> {
    const known = job.known('link', job.row)
    const wanted = expectationOf(job, host)
    if (known === undefined || !wanted.isDown) return undefined
    return (await kernel.verify(wanted)).length === 0 ? known : undefined
  }

  return {
    ensure: async (job, signal) => {
      try {
        return (await standing(job)) ?? (await takeIn(job, signal))
      } catch (error) {
        throw kernelFailure(error)
      }
    },

    async release(job, signal) {
      const mac = job.known('eni', `eni:${numberOf(job)}`)?.mac
      const netns = job.known('sandbox', 'sandbox')?.netns
      if (mac === undefined || netns === undefined) return undefined
      await kernel.giveBack({ mac, netns }, { signal }).catch((error) => {
        throw kernelFailure(error)
      })
      return undefined
    },
  }
}

/** A card that was in its task, and is neither there nor on the host. */
export const linkGone = (cause?: Error): Failure =>
  new Failure('lost', 'LinkGone', "the task's network card is gone from the host", {
    hint: 'Its ENI was detached or deleted from outside: see by whom, and run the task again.',
    cause,
  })

/** How the link of this row should stand, once it was told by `verify` or before `takeIn`. */
export function expectationOf(job: Job, { instanceId }: Host): LinkExpectation {
  const n = numberOf(job)
  const eni = job.details('eni', `eni:${n}`)
  const { holderId, row, spec } = job
  const { mac, ipv4, ipv4PrefixLength: prefixLength, ipv4Gateway, ipv6 } = eni
  return {
    mac,
    netns: job.details('sandbox', 'sandbox').netns,
    alias: aliasOf({ instanceId, holderId, row }),
    name: `eth${n}`,
    mtu: job.known('link', row)?.mtu ?? VPC_MTU,
    ...(ipv4 === undefined ? {} : { ipv4: [{ address: ipv4, prefixLength }], ipv4Gateway }),
    ...(n > 0 && { table: TABLE_BASE + n }),
    ...(ipv6 === undefined ? {} : { ipv6: [ipv6], ipv6Gateway: ROUTER_IPV6 }),
    blockImds: spec.blockImds,
    ...(spec.kind === 'spare' && { isDown: true }),
    endpoint: true,
  }
}
