// Goal: what the lab does wrong can be replayed, counted and believed: chance, buckets and latency
// follow from seed and number alone. Method: the pure parts, thousands of draws, no time.

import { describe, expect, test } from 'vitest'
import { blankPlan, type CallPlan } from '../../lab/faults/call-plan.ts'
import { chance, logNormal } from '../../lab/faults/chance.ts'
import { type Fault, isAbout, strikes } from '../../lab/faults/fault.ts'
import { LatencyPlans } from '../../lab/faults/latency-plan.ts'
import { Latency, latencyOf, PROFILES } from '../../lab/faults/profile.ts'
import { bucketOf, takeToken } from '../../lab/faults/throttle.ts'
import { Timers } from '../../lab/faults/timers.ts'
import { ManualClock } from './fault-rig.ts'

const facts = (action: string, more = {}) => ({
  action,
  eniIds: ['eni-1'],
  holders: [],
  narrowed: false,
  ...more,
})

describe('chance', () => {
  test('is the same for the same seed, purpose and number, and else another', () => {
    expect(chance(7, 'a', 1)).toBe(chance(7, 'a', 1))
    const draws = [chance(7, 'a', 1), chance(8, 'a', 1), chance(7, 'b', 1), chance(7, 'a', 2)]
    expect(new Set(draws).size).toBe(4)
  })

  test('is spread evenly over 0 to 1', () => {
    const draws = Array.from({ length: 10_000 }, (_, n) => chance(1, 'even', n))
    for (const tenth of [0, 0.1, 0.5, 0.9]) {
      const share = draws.filter((x) => x >= tenth && x < tenth + 0.1).length / draws.length
      expect(share, `from ${tenth}`).toBeCloseTo(0.1, 1)
    }
  })

  test('a log-normal spread has its median, its 95th percentile, and nothing above its most', () => {
    const spread = { p50: 1.2, p95: 5, max: 30 }
    const draws = Array.from({ length: 20_000 }, (_, n) => logNormal(spread, 3, 'link', n))
    draws.sort((a, b) => a - b)
    expect(draws[10_000]).toBeGreaterThan(1.15)
    expect(draws[10_000]).toBeLessThan(1.25)
    expect(draws[19_000]).toBeGreaterThan(4.7)
    expect(draws[19_000]).toBeLessThan(5.3)
    expect(draws[0]).toBeGreaterThan(0)
    expect(draws.at(-1)).toBeLessThanOrEqual(30)
  })
})

describe('a fault', () => {
  const fault = (options: Fault['options'], seen = 0, fired = 0): Fault => ({
    faultId: 'fault-1',
    name: 'error-500',
    options,
    seen,
    fired,
  })
  /** The numbers of the first hundred calls at which it strikes. */
  function struck(options: Fault['options']): number[] {
    const numbers: number[] = []
    for (let seen = 1; seen <= 100; seen++) {
      if (strikes(fault(options, seen, numbers.length))) numbers.push(seen)
    }
    return numbers
  }

  test('strikes at every call, at those numbered, or as often as it is told', () => {
    expect(struck({}).length).toBe(100)
    expect(struck({ calls: [3, 7] })).toEqual([3, 7])
    expect(struck({ times: 2 })).toEqual([1, 2])
    expect(struck({ calls: [5, 6, 7], times: 2 })).toEqual([5, 6])
  })

  test('with a likelihood strikes about so often, replayed by its seed', () => {
    const numbers = struck({ likelihood: 0.3, seed: 5 })
    expect(numbers.length).toBeGreaterThan(15)
    expect(numbers.length).toBeLessThan(45)
    expect(struck({ likelihood: 0.3, seed: 5 })).toEqual(numbers)
    expect(struck({ likelihood: 0.3, seed: 6 })).not.toEqual(numbers)
  })

  test('is about the calls of its action, ENI, task and subnet', () => {
    const call = { ...facts('AttachNetworkInterface'), holders: ['task-1'], subnetId: 'subnet-1' }
    const about = (options: Fault['options']) => isAbout(fault(options), call)
    expect(about({})).toBe(true)
    expect(about({ action: 'Attach*', eni: 'eni-1', task: 'task-1', subnet: 'subnet-1' })).toBe(
      true,
    )
    expect(about({ action: 'Detach*' })).toBe(false)
    expect(about({ eni: 'eni-2' })).toBe(false)
    expect(about({ task: 'task-2' })).toBe(false)
    expect(about({ subnet: 'subnet-2' })).toBe(false)
  })
})

describe('EC2’s token buckets', () => {
  test.each([
    ['CreateNetworkInterface', false, 100, 5],
    ['DeleteNetworkInterface', false, 100, 5],
    ['ModifyNetworkInterfaceAttribute', false, 100, 5],
    ['AssignPrivateIpAddresses', false, 100, 5],
    ['UnassignPrivateIpAddresses', false, 100, 5],
    ['AssignIpv6Addresses', false, 100, 5],
    ['AttachNetworkInterface', false, 50, 5],
    ['DetachNetworkInterface', false, 50, 5],
    ['UnassignIpv6Addresses', false, 50, 5],
    ['AssociateTrunkInterface', false, 50, 5],
    ['DisassociateTrunkInterface', false, 50, 5],
    ['CreateSecurityGroup', false, 50, 5],
    ['AuthorizeSecurityGroupEgress', false, 50, 5],
    ['AuthorizeSecurityGroupIngress', false, 50, 5],
    ['RevokeSecurityGroupIngress', false, 50, 5],
    ['CreateTags', false, 100, 10],
    ['DeleteTags', false, 100, 10],
    ['CreateSubnetCidrReservation', false, 5, 1],
    ['DeleteSubnetCidrReservation', false, 5, 1],
    ['RunInstances', false, 5, 2],
    ['DescribeNetworkInterfaces', true, 100, 20],
    ['DescribeInstances', true, 100, 20],
    ['DescribeSecurityGroups', true, 100, 20],
    ['GetSubnetCidrReservations', true, 100, 20],
    ['ListImagesInRecycleBin', true, 100, 20],
    ['SearchLocalGatewayRoutes', true, 100, 20],
    ['DescribeSubnets', false, 100, 20],
    ['DescribeNetworkInterfaces', false, 50, 10],
    ['DescribeInstances', false, 50, 10],
    ['DescribeSecurityGroups', false, 50, 10],
    ['DescribeVolumes', false, 50, 10],
  ])('%s (narrowed: %s) has %d, and %d a second', (action, narrowed, burst, perSecond) => {
    expect(bucketOf(facts(action, { narrowed })).size).toEqual({ burst, perSecond })
  })

  test('are one for each action, and describing everything has another', () => {
    const name = (action: string, narrowed = false) => bucketOf(facts(action, { narrowed })).name
    expect(name('AttachNetworkInterface')).not.toBe(name('DetachNetworkInterface'))
    expect(name('DescribeInstances')).not.toBe(name('DescribeInstances', true))
  })

  // P202
  test('give their burst at once, and then what flows in, exactly', () => {
    const size = { burst: 50, perSecond: 5 }
    let bucket: Parameters<typeof takeToken>[1]
    const takeAll = (nowMs: number): number => {
      for (let count = 0; ; count++) {
        const next = takeToken(size, bucket, nowMs)
        bucket = next.bucket
        if (!next.taken) return count
      }
    }
    expect(takeAll(0)).toBe(50)
    expect(takeAll(199)).toBe(0)
    expect(takeAll(200)).toBe(1)
    for (let second = 1; second <= 60; second++) expect(takeAll(200 + second * 1000)).toBe(5)
    expect(takeAll(10_000_000)).toBe(50)
    expect(takeAll(0), 'a clock that goes back fills nothing').toBe(0)
    expect(takeAll(10_000_200)).toBe(1)
  })
})

describe('a latency profile', () => {
  const plans = (name: 'aws' | 'hostile', seed: number, scale = 1): LatencyPlans => {
    const latency = latencyOf({ name, seed, scale })
    if (latency === undefined) throw new Error('no latency')
    return new LatencyPlans(latency)
  }
  const written = (from: LatencyPlans, action: string, eniId = 'eni-1'): CallPlan => {
    const plan = blankPlan(facts(action, { eniIds: [eniId] }))
    from.write(plan)
    return plan
  }
  const many = (name: 'aws' | 'hostile', action: string, count: number): CallPlan[] => {
    const from = plans(name, 1)
    return Array.from({ length: count }, (_, n) => written(from, action, `eni-${n}`))
  }

  test('fast is no latency at all', () => {
    expect(latencyOf({ name: 'fast', seed: 1, scale: 1 })).toBeUndefined()
  })

  test('is replayed by its seed, each step apart from the others', () => {
    const draw = (seed: number, before = 0) => {
      const latency = new Latency({ name: 'aws', seed, scale: 1 }, PROFILES.aws)
      for (let n = 0; n < before; n++) latency.drawMs('describe')
      return [1, 2, 3].map(() => latency.drawMs('link'))
    }
    expect(draw(4)).toEqual(draw(4, 10))
    expect(draw(4)).not.toEqual(draw(5))
  })

  test('aws takes the call’s time half before and half after, and its transitions later', () => {
    const [plan] = many('aws', 'AttachNetworkInterface', 1)
    expect(plan?.beforeMs).toBeGreaterThan(100)
    expect(plan?.beforeMs).toBe(plan?.afterMs)
    for (const time of ['settleMs', 'linkMs', 'imdsMs'] as const) {
      expect(plan?.[time], time).toBeGreaterThan(50)
    }
    expect(plan?.hits).toEqual([])
    expect(many('aws', 'CreateNetworkInterface', 1)[0]?.settleMs).toBe(500)
    const rule = many('aws', 'AuthorizeSecurityGroupIngress', 1)[0]
    expect(rule?.afterMs, 'an answer means that the rule is in force').toBe(0)
  })

  test('aws has no troubles but time', () => {
    for (const action of ['CreateNetworkInterface', 'AttachNetworkInterface', 'DescribeSubnets']) {
      for (const plan of many('aws', action, 300)) {
        expect([plan.hits, plan.delivery, plan.refusal]).toEqual([[], 'whole', undefined])
        expect(plan.linkMs).toBeLessThanOrEqual(30_000)
      }
    }
  })

  test('a scale makes every duration shorter by the same factor', () => {
    const [whole, tenth] = [1, 0.1].map((scale) =>
      written(plans('aws', 9, scale), 'AttachNetworkInterface'),
    )
    for (const time of ['beforeMs', 'settleMs', 'linkMs', 'imdsMs'] as const) {
      expect(tenth?.[time]).toBeCloseTo((whole?.[time] ?? 0) / 10, 6)
    }
  })

  test.each([
    ['AttachNetworkInterface', 'link never', 0.01],
    ['AttachNetworkInterface', 'link late', 0.05],
    ['AttachNetworkInterface', 'in-use race', 0.05],
    ['AttachNetworkInterface', 'attached before link', 0.1],
    ['AttachNetworkInterface', 'IMDS bare', 0.1],
    ['CreateNetworkInterface', 'create hangs', 0.05],
    ['DescribeSubnets', 'describe hangs', 0.1],
    ['DetachNetworkInterface', 'detach slow', 0.05],
    ['ModifyNetworkInterfaceAttribute', 'throttled', 0.1],
    ['AuthorizeSecurityGroupIngress', 'rule slow', 0.1],
    ['DeleteNetworkInterface', 'delete in use', 0.1],
  ])('hostile troubles %s: %s, %d of the time', (action, trouble, likelihood) => {
    const hit = many('hostile', action, 4000).filter(({ hits }) =>
      hits.includes(`hostile: ${trouble}`),
    )
    expect(hit.length / 4000).toBeGreaterThan(likelihood * 0.7)
    expect(hit.length / 4000).toBeLessThan(likelihood * 1.3)
  })

  test('hostile refuses the first three deletes of an ENI, and then no more', () => {
    const from = plans('hostile', 1)
    for (let n = 0; ; n++) {
      const eniId = `eni-${n}`
      if (written(from, 'DeleteNetworkInterface', eniId).refusal === undefined) continue
      const refusals = [2, 3, 4].map(
        () => written(from, 'DeleteNetworkInterface', eniId).refusal?.code,
      )
      expect(refusals).toEqual(['InvalidParameterValue', 'InvalidParameterValue', undefined])
      return
    }
  })
})

describe('timers', () => {
  test('wait, and call everything off', async () => {
    const clock = new ManualClock()
    const timers = new Timers(clock)
    const done: string[] = []
    timers.after(10, () => done.push('a'))
    timers.after(20, () => done.push('b'))
    clock.pass(10)
    expect([done, timers.count]).toEqual([['a'], 1])
    const waiting = timers.wait(100)
    timers.clear()
    await expect(waiting).rejects.toMatchObject({ code: 'Unavailable', status: 503 })
    clock.pass(1000)
    expect([done, timers.count]).toEqual([['a'], 0])
    timers.end()
    timers.after(1, () => done.push('c'))
    await expect(timers.wait(1)).rejects.toMatchObject({ code: 'Unavailable' })
    expect(clock.ahead).toEqual([])
  })
})
