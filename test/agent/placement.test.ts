// Goal: no slot is promised twice, and who gets none is told the numbers. Method: plain facts.

import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { checkAddresses } from '../../agent/fixed-address.ts'
import type { Host } from '../../agent/orders.ts'
import type { PlacementFacts } from '../../agent/placement.ts'
import { choose, room, slotsUsed } from '../../agent/placement.ts'
import type { SubnetFacts } from '../../state/allocation.ts'
import type { Journal } from '../../state/journal.ts'
import type { Event } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { memory, releaseAllBut, settleHolder } from './journals.ts'

const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }
const host = {
  instanceId: 'i-1',
  instanceType: 'm5.large',
  availabilityZone: 'z1',
  eniCountMax: 3,
} as Host
const free: Record<string, [zone: string, count: number]> = {
  'subnet-a': ['z1', 5],
  'subnet-b': ['z1', 9],
  'subnet-c': ['z2', 99],
}

const eni = (...subnetIds: string[]) => ({ subnetIds, securityGroupIds: [], tags: {} })

let journal: Journal
let facts: PlacementFacts
let time = 0
beforeEach(() => {
  time = 1000
  ;({ journal } = memory(() => time))
  facts = {
    host,
    journal,
    capacity: { cpuUnits: 2048, memoryMiB: 1000 },
    foreignIndices: new Set([0]),
    subnet: (subnetId) => {
      const [availabilityZone, freeAddressCount] = free[subnetId] ?? []
      if (availabilityZone === undefined || freeAddressCount === undefined) return undefined
      return { subnetId, availabilityZone, freeAddressCount }
    },
  }
})

const refusal = (work: () => unknown): Failure => {
  try {
    work()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  return expect.fail('nothing was refused')
}

/** A task whose ENI may be in these subnets. */
const on = (...subnetIds: string[]) => spec({ enis: [eni(...subnetIds)] })

describe('room', () => {
  // P387
  test.each([
    [
      'RESOURCE:CPU',
      { cpuUnits: 1024 },
      'this host has 2048 CPU units for tasks, 1536 are in use; the task needs 1024',
    ],
    [
      'RESOURCE:MEMORY',
      { memoryMiB: 700 },
      'this host has 1000 MiB for tasks, 400 are in use; the task needs 700',
    ],
  ])('is refused with %s and its numbers where that is short', (reason, cgroup, detail) => {
    const there = spec({ cgroup: { cpuUnits: 1536, memoryMiB: 400 } })
    journal.begin('a', there)
    const asked = { ...on('subnet-a'), cgroup }
    expect(room(facts, asked)).toEqual({ taskCount: 0, reason, detail, isTooBig: false })
    // It is given back when the last container is gone, not when the stop is asked for.
    settleHolder(journal, 'a', { 'attachment:0': { choice: '1' } })
    journal.append('a', stop)
    expect(room(facts, asked).taskCount).toBe(0)
    releaseAllBut(journal, 'a', 'eni:0')
    expect(room(facts, asked).taskCount).toBe(1)
  })

  // P387
  test('counts what the containers reserve where the task as a whole says nothing', () => {
    const containers = [
      container('web', {}, { cpuShares: 512, memoryMiB: 600, memoryReservationMiB: 300 }),
      container('log', {}, { cpuShares: 2, memoryMiB: 100 }),
    ]
    const roomy = {
      ...facts,
      host: { ...host, eniCountMax: 50 },
      capacity: { cpuUnits: 1535, memoryMiB: 4000 },
    }
    expect(room(roomy, { ...on('subnet-a'), containers })).toMatchObject({
      taskCount: 2,
      reason: 'RESOURCE:CPU',
    })
    expect(
      room(
        { ...roomy, capacity: { cpuUnits: 9999, memoryMiB: 1199 } },
        { ...on('subnet-a'), containers },
      ),
    ).toMatchObject({ taskCount: 2, reason: 'RESOURCE:MEMORY' })
  })

  test('says of a task that this host could never hold, that it is too big', () => {
    expect(room(facts, { ...on('subnet-a'), cgroup: { cpuUnits: 2049 } }).isTooBig).toBe(true)
    expect(room(facts, { ...on('subnet-a'), cgroup: { cpuUnits: 2048 } }).isTooBig).toBe(false)
  })

  test('is the smaller of free slots and free addresses in the zone', () => {
    expect(room(facts, on('subnet-a', 'subnet-c')).taskCount).toBe(2)
    expect(room({ ...facts, host: { ...host, eniCountMax: 50 } }, on('subnet-a')).taskCount).toBe(5)
    expect(room(facts, on('subnet-c'))).toEqual({
      ...{ taskCount: 0, reason: 'RESOURCE:ENI', isTooBig: false },
      detail:
        "m5.large carries 3 ENIs, 1 are in use; none of the subnets is in this host's zone z1",
    })
  })

  // P26
  test('counts a task from the moment it was begun until EC2 is done with its ENI', () => {
    expect(slotsUsed(facts)).toBe(1)
    journal.begin('a', spec())
    journal.begin('b', spec())
    expect(room(facts, on('subnet-a'))).toEqual({
      ...{ taskCount: 0, reason: 'RESOURCE:ENI', isTooBig: false },
      detail: 'm5.large carries 3 ENIs, 3 are in use; free addresses: subnet-a 5',
    })
    settleHolder(journal, 'a', { 'attachment:0': { choice: '1' } })
    journal.append('a', stop)
    expect(slotsUsed(facts)).toBe(3)
    // EC2 answers a Detach at once and is through with it later: the ENI can be deleted only then.
    releaseAllBut(journal, 'a', 'eni:0')
    expect(slotsUsed(facts)).toBe(3)
    expect(choose(facts, journal.get('b') ?? expect.fail(), 'attachment:0')).toBe('2')
    settleHolder(journal, 'a')
    expect(slotsUsed(facts)).toBe(2)
    expect(choose(facts, journal.get('b') ?? expect.fail(), 'attachment:0')).toBe('1')
  })
})

describe('choose', () => {
  const entry = (id: string) => journal.get(id) ?? expect.fail(id)

  // P35
  test('takes the emptiest subnet, and the next one after a strike', () => {
    journal.begin('a', spec())
    expect(choose(facts, entry('a'), 'eni:0')).toBe('subnet-b')
    journal.append('a', { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-b' })
    journal.append('a', { type: 'declined', row: 'eni:0', cause: { code: 'Full', message: '' } })
    expect(choose(facts, entry('a'), 'eni:0')).toBe('subnet-a')
    journal.append('a', { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-a' })
    journal.append('a', { type: 'declined', row: 'eni:0', cause: { code: 'Full', message: '' } })
    const failure = refusal(() => choose(facts, entry('a'), 'eni:0'))
    expect(failure).toMatchObject({ kind: 'refused', code: 'RESOURCE:ENI' })
    expect(failure.message).toContain('declined were subnet-b (Full), subnet-a (Full)')
  })

  // P407
  test('an address that was chosen takes the subnet that has it, and no other', () => {
    const cidrs: Record<string, string[]> = {
      'subnet-a': ['10.0.0.0/24', '2600:db8::/64'],
      'subnet-b': ['10.0.1.0/24'],
      'subnet-c': ['10.0.2.0/24'],
    }
    const subnet = (id: string) => {
      const found = facts.subnet(id)
      return found && { ...found, cidrs: cidrs[id] ?? [] }
    }
    const given = { ...facts, subnet }
    const want = (address: object) => [{ ...eni('subnet-a', 'subnet-b', 'subnet-c'), ...address }]
    journal.begin('a', spec({ enis: want({ ipv4: '10.0.0.9', ipv6: '2600:db8::9' }) }))
    expect(choose(given, entry('a'), 'eni:0')).toBe('subnet-a')
    for (const good of [{ ipv4: '10.0.1.4' }, { ipv4: '10.0.1.254' }, { ipv6: '2600:db8::4' }]) {
      expect(() => checkAddresses(given, want(good))).not.toThrow()
    }
    const kept = ['10.0.1.0', '10.0.1.3', '10.0.1.255'].map((ipv4) => ({ ipv4 }))
    for (const bad of [...kept, { ipv6: '2600:db8::3' }]) {
      const failure = refusal(() => checkAddresses(given, want(bad)))
      expect(failure).toMatchObject({ kind: 'refused', code: 'AddressReserved' })
    }
    // In a subnet of another zone, in none, and in two different ones.
    for (const bad of [
      { ipv4: '10.0.2.9' },
      { ipv4: '10.0.3.9' },
      { ipv4: '10.0.1.9', ipv6: '2600:db8::9' },
    ]) {
      const failure = refusal(() => checkAddresses(given, want(bad)))
      expect(failure).toMatchObject({ kind: 'refused', code: 'AddressNotInSubnet' })
    }
  })

  // P540
  test('a subnet of IPv6 alone has room for any number, and nothing for a public IPv4 address', () => {
    const cidrs = { 'subnet-4': ['10.0.0.0/24'], 'subnet-6': ['2600:db8::/64'] }
    const subnet = (id: string): SubnetFacts => ({
      ...{ subnetId: id, availabilityZone: host.availabilityZone },
      freeAddressCount: id === 'subnet-6' ? Number.POSITIVE_INFINITY : 1,
      cidrs: cidrs[id as keyof typeof cidrs],
    })
    const given = { ...facts, subnet }
    expect(room(given, spec({ enis: [eni('subnet-6')] }))).toMatchObject({
      taskCount: 2,
      detail: expect.stringContaining('free addresses: subnet-6 any number (IPv6 alone)'),
    })
    const want = (...ids: string[]) => [{ ...eni(...ids), publicIp: 'new' }]
    expect(() => checkAddresses(given, want('subnet-4', 'subnet-6'))).not.toThrow()
    expect(refusal(() => checkAddresses(given, want('subnet-6')))).toMatchObject({
      kind: 'refused',
      code: 'PublicIpWithoutIpv4',
    })
    const known6 = [{ ...eni('subnet-6'), ipv6: '2600:db8::9' }]
    expect(() => checkAddresses(given, known6)).not.toThrow()
    // Where both are named, the one that has IPv4 is the only choice.
    journal.begin('a', spec({ enis: want('subnet-4', 'subnet-6') }))
    expect(choose(given, entry('a'), 'eni:0')).toBe('subnet-4')
    journal.append('a', { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-4' })
    journal.append('a', { type: 'declined', row: 'eni:0', cause: { code: 'Full', message: '' } })
    expect(refusal(() => choose(given, entry('a'), 'eni:0')).code).toBe('RESOURCE:ENI')
  })

  test('a lent ENI takes a slot and no address, and has no subnet to choose', () => {
    const lent = { ...eni('subnet-none'), lentEniId: 'eni-1' }
    expect(room(facts, spec({ enis: [lent] })).taskCount).toBe(2)
    journal.begin('a', spec({ enis: [lent] }))
    expect(choose(facts, entry('a'), 'eni:0')).toBeUndefined()
    expect(slotsUsed(facts)).toBe(2)
  })

  test('a task of several ENIs takes as many slots, and shares what its subnets have', () => {
    const wide = { ...facts, host: { ...host, eniCountMax: 9 } }
    expect(room(wide, spec({ enis: [eni('subnet-a'), eni('subnet-b')] })).taskCount).toBe(4)
    expect(
      room(
        { ...wide, host: { ...host, eniCountMax: 50 } },
        spec({ enis: [eni('subnet-a'), eni('subnet-a')] }),
      ).taskCount,
    ).toBe(2)
    expect(
      room(facts, spec({ enis: [eni('subnet-a'), eni('subnet-b'), eni('subnet-a')] })),
    ).toEqual({
      ...{ taskCount: 0, reason: 'RESOURCE:ENI', isTooBig: true },
      detail:
        'm5.large carries 3 ENIs, 1 are in use, and the task takes 3; ' +
        'free addresses: subnet-a 5, subnet-b 9',
    })
  })

  test('waits for a subnet that EC2 was not asked about yet, and refuses nothing', () => {
    journal.begin('a', spec())
    const failure = refusal(() =>
      choose({ ...facts, subnet: () => undefined }, entry('a'), 'eni:0'),
    )
    expect(failure).toMatchObject({ kind: 'transient', code: 'SubnetNotKnown' })
  })

  test('gives every task another device index, never one that is foreign', () => {
    for (const id of ['a', 'b']) journal.begin(id, spec())
    expect(choose(facts, entry('a'), 'attachment:0')).toBe('1')
    settleHolder(journal, 'a', { 'attachment:0': { choice: '1' } })
    expect(choose(facts, entry('b'), 'attachment:0')).toBe('2')
    const crowded = { ...facts, foreignIndices: new Set([0, 2]) }
    const failure = refusal(() => choose(crowded, entry('b'), 'attachment:0'))
    expect(failure.message).toContain('no device index left on m5.large')
    expect(failure.message).toContain('of 3 ENIs are in use')
  })

  test('has nothing to choose for other rows', () => {
    journal.begin('a', spec())
    for (const row of ['sandbox', 'link:0', 'image:web', 'guard:0'] as const) {
      expect(choose(facts, entry('a'), row)).toBeUndefined()
    }
  })
})
