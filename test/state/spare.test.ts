// Goal: a task takes over a spare only where nothing that is fixed differs, and what may differ is made
// sure of before its first container. Method: specs and holders by hand, the core's own steps.

import { describe, expect, test } from 'vitest'
import type { Entry } from '../../state/journal.ts'
import { fitsOf, isReady, misfit, poolKey, spareSpec } from '../../state/spare.ts'
import type { EniSpec, Spec } from '../../state/spec.ts'
import { lastStatus } from '../../state/status.ts'
import type { Holder } from '../../state/task.ts'
import { learn, newHolder, nextSteps, rowState } from '../../state/task.ts'
import { newTimeline, note } from '../../state/timeline.ts'
import { spec } from './specs.ts'

const eni = (change: Partial<EniSpec> = {}): EniSpec => ({
  ...{ subnetIds: ['subnet-a', 'subnet-b'], securityGroupIds: ['sg-web'], tags: {} },
  ...change,
})
const task = (change: Partial<Spec> = {}): Spec => spec({ enis: [eni()], cgroup: {}, ...change })

/** The holder with everything held that can be. */
function climb(given: Holder, worn: readonly string[] = ['sg-web']): Holder {
  let holder = given
  for (let steps = nextSteps(holder); steps.length > 0; steps = nextSteps(holder)) {
    for (const { row } of steps) {
      const details = row === 'eni:0' ? { eniId: 'eni-1', securityGroupIds: worn } : {}
      holder = learn(holder, { type: 'began', verb: 'ensure', row })
      holder = learn(holder, { type: 'done', verb: 'ensure', row, details })
    }
  }
  return holder
}

const spare = (id: string, subnetId: string, groups: readonly string[], worn = groups): Entry => ({
  id,
  holder: climb(newHolder(spareSpec({ subnetId, securityGroupIds: groups })), worn),
  timeline: newTimeline(0),
})

describe('which spares fit', () => {
  const all = [
    spare('far', 'subnet-z', ['sg-web']),
    spare('other', 'subnet-a', ['sg-db']),
    spare('same', 'subnet-b', ['sg-web']),
    spare('none', 'subnet-a', [], ['sg-default']),
  ]
  const found = (groups: readonly string[]) =>
    fitsOf(task({ enis: [eni({ securityGroupIds: groups })] }), all).map(({ id, way }) => [id, way])

  // P462
  test('in the same groups first, then in one of its subnets, and none elsewhere', () => {
    expect(found(['sg-web'])).toEqual([
      ['same', 'warm'],
      ['other', 'groups'],
      ['none', 'groups'],
    ])
    expect(found(['sg-default']).at(0), 'what EC2 filled in counts').toEqual(['none', 'warm'])
  })

  test('whose task names no group only one that names none', () => {
    expect(found([])).toEqual([['none', 'warm']])
  })

  test('only ready ones, and those that nobody has found anything of', () => {
    const [, , same] = all
    if (same === undefined) throw new Error('unreachable')
    const doubted = learn(same.holder, { type: 'doubted', row: 'link:0', why: 'a test' })
    const stop = { code: 'UserInitiated', reason: 'a test' } as const
    const stopped = learn(same.holder, { type: 'stopAsked', stop })
    for (const holder of [doubted, stopped, newHolder(same.holder.spec)]) {
      expect(isReady(holder)).toBe(false)
      expect(fitsOf(task(), [{ ...same, holder }])).toEqual([])
    }
    expect(fitsOf(task(), all, () => false)).toEqual([])
  })

  test.each<[string, Partial<Spec>]>([
    ['a hostname', { sandbox: { hostname: 'web' } }],
    ['a PID namespace for all', { sandbox: { pid: 'task' } }],
    ['a fixed address', { enis: [eni({ ipv4: '10.0.0.9' })] }],
    ['a lent ENI', { enis: [eni({ lentEniId: 'eni-2' })] }],
    ['tags for its ENI', { enis: [eni({ tags: { team: 'a' } })] }],
    ['IMDS', { blockImds: false }],
    ['a shared ENI', { enis: [], sharedEni: 'x' }],
  ])('none for a task with %s', (_what, change) => {
    expect(misfit(task(change))).toBeTypeOf('string')
    expect(fitsOf(task(change), all)).toEqual([])
  })

  test('a public address, volumes and a second ENI are made beside it', () => {
    const more = task({ enis: [eni({ publicIp: 'new' }), eni()] })
    expect(misfit(more)).toBeUndefined()
    expect(fitsOf(more, all).map(({ id }) => id)).toContain('same')
  })
})

describe('a spare that becomes a task', () => {
  const before = spare('a', 'subnet-a', ['sg-web']).holder
  const adopted = (wanted: Spec, rows: readonly ('cgroup' | 'link:0' | 'eni:0')[]) =>
    learn(before, { type: 'assigned', spec: wanted, rows })

  // P463
  test('starts no container before its limits, its link and its groups are made sure of', () => {
    for (const missing of ['cgroup', 'link:0', 'eni:0'] as const) {
      let holder = adopted(task(), [missing])
      const steps = nextSteps(holder).map(({ row }) => row)
      expect(steps).toContain(missing)
      for (const row of steps.filter((each) => each !== missing)) {
        holder = learn(holder, { type: 'began', verb: 'ensure', row })
        holder = learn(holder, { type: 'done', verb: 'ensure', row })
      }
      expect(rowState(holder, 'image:web').is).toBe('held')
      expect(nextSteps(holder).map(({ row }) => row)).toEqual([missing])
    }
  })

  test('is not RUNNING for what it held as a spare, and is when its containers run', () => {
    const holder = adopted(task(), ['cgroup', 'link:0'])
    expect(lastStatus(before)).toBe('RUNNING')
    expect(lastStatus(holder)).toBe('PENDING')
    expect(lastStatus(climb(holder))).toBe('RUNNING')
  })

  test('is as old as its assignment, and none of the steps before are its own', () => {
    const event = { type: 'assigned', spec: task(), rows: [] } as const
    const old = { ...newTimeline(1000), startedAt: 2000, connectivityAt: 2000, latestAt: 2000 }
    const after = learn(before, event)
    expect(note(old, { before, after, event, at: 9000 })).toEqual(newTimeline(9000))
  })

  test('has to be a spare that is to run', () => {
    const event = { type: 'assigned', spec: task(), rows: [] } as const
    expect(() => learn(climb(newHolder(task())), event)).toThrow('assigned to a task')
    const stop = { code: 'UserInitiated', reason: 'a test' } as const
    expect(() => learn(learn(before, { type: 'stopAsked', stop }), event)).toThrow('stopped')
  })
})

test('a pool has one name, in whatever order its groups are named', () => {
  const pool = (...securityGroupIds: string[]) =>
    poolKey({ subnetId: 'subnet-a', securityGroupIds })
  expect(pool('sg-b', 'sg-a', 'sg-b')).toBe(pool('sg-a', 'sg-b'))
  expect(pool('sg-a')).not.toBe(pool())
})
