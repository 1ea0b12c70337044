// Goal: the agent knows which host it is on, also while nobody answers, acts on nobody else's state,
// and forgets what stopped long ago. Method: plain facts, small files, answers played by hand.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import {
  foreignIndices,
  hostOfThisBoot,
  knowHost,
  StateOfAnotherHost,
  setForeignStateAside,
} from '../../agent/known-host.ts'
import type { Host } from '../../agent/orders.ts'
import { prune } from '../../agent/retention.ts'
import { Catalog } from '../../state/catalog.ts'
import { openDatabase, StateFileUnwritable } from '../../state/database.ts'
import type { Event } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'

const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }
const host = { instanceId: 'i-1', instanceType: 'm5.large', eniCountMax: 3 } as Host

const time = 1000

describe('which host this is', () => {
  const quiet = { warn: () => {} } as never
  const signal = AbortSignal.timeout(5000)
  const away = { call: () => Promise.reject(new Failure('transient', 'Ec2Unreachable', 'away')) }
  const imds = { read: () => Promise.reject(new Failure('transient', 'Away', 'away')) }

  // P83
  test('is what it was before while nobody answers', async () => {
    const { catalog } = memory()
    catalog.putFact('host', JSON.stringify(host))
    const known = await knowHost({
      imds: imds as never,
      ec2: away as never,
      catalog,
      log: quiet,
      signal,
      bootId: 'boot-1',
    })
    expect(known).toEqual(host)
  })

  test('being another one than the state file says is refused, and nothing is changed', async () => {
    const { catalog } = memory()
    catalog.putFact('host', JSON.stringify({ ...host, instanceId: 'i-9' }))
    const answers: Record<string, unknown> = {
      DescribeInstances: { Reservations: [{ Instances: [{ InstanceType: 'm5.large' }] }] },
      DescribeInstanceTypes: { InstanceTypes: [{ NetworkInfo: { MaximumNetworkInterfaces: 3 } }] },
      DescribeVpcs: { Vpcs: [{ CidrBlock: '10.0.0.0/16' }] },
    }
    const asked = knowHost({
      imds: { read: async (path: string) => (path.endsWith('instance-id') ? 'i-1' : 'x') } as never,
      ec2: { call: async (action: string) => answers[action] } as never,
      catalog,
      log: quiet,
      signal,
      bootId: 'boot-1',
    })
    await expect(asked).rejects.toThrow(StateOfAnotherHost)
    expect(JSON.parse(catalog.fact('host') ?? '')).toMatchObject({ instanceId: 'i-9' })
  })
})

describe('a host that was described since it booted', () => {
  const quiet = { warn: () => {} } as never
  const signal = AbortSignal.timeout(5000)
  const answers: Record<string, unknown> = {
    DescribeInstanceTypes: { InstanceTypes: [{ NetworkInfo: { MaximumNetworkInterfaces: 3 } }] },
    DescribeVpcs: { Vpcs: [{ CidrBlock: '10.0.0.0/16' }] },
  }
  const imds = {
    read: async (path: string) => (path.endsWith('instance-id') ? 'i-1' : 'x'),
  } as never
  const ec2 = { call: async (action: string) => answers[action] } as never

  // P481
  test('is known without a call, and asked for anew after the next boot', async () => {
    const { catalog } = memory()
    expect(hostOfThisBoot(catalog, 'boot-1')).toBeUndefined()
    const told = await knowHost({ imds, ec2, catalog, log: quiet, signal, bootId: 'boot-1' })
    expect(told).toMatchObject({ instanceId: 'i-1', eniCountMax: 3, nameServers: ['10.0.0.2'] })
    expect(hostOfThisBoot(catalog, 'boot-1')).toEqual(told)
    expect(hostOfThisBoot(catalog, 'boot-2')).toBeUndefined()
  })

  // P481
  test('has the ENI slots of before, until EC2 is asked beside', async () => {
    const { catalog, journal } = memory()
    catalog.putFact('foreignIndices', '[0,2]')
    let asked = 0
    const instance = {
      NetworkInterfaces: [{ NetworkInterfaceId: 'eni-5', Attachment: { DeviceIndex: 5 } }],
    }
    const describing = {
      call: async () => {
        asked += 1
        return { Reservations: [{ Instances: [instance] }] }
      },
    } as never
    const onDefect = (error: unknown) => expect.fail(String(error))
    const foreign = await foreignIndices({
      ...{ ec2: describing, catalog, journal, log: quiet, signal, onDefect },
      ...{ host, now: false },
    })
    expect([asked, [...foreign.known]]).toEqual([0, [0, 2]])
    foreign.wereMore()
    await expect.poll(() => [...foreign.known]).toEqual([0, 5])
  })
})

describe('a state file on a cloned disk', () => {
  const signal = AbortSignal.timeout(5000)
  const quiet = { warn: () => {} } as never
  const folder = mkdtempSync(join(tmpdir(), 'enid-clone-'))
  const path = join(folder, 'enid.db')
  const imds = (instanceId: string) => ({ read: async () => instanceId }) as never
  const away = {
    read: () => Promise.reject(new Failure('transient', 'Away', 'away')),
  } as never
  afterAll(() => rmSync(folder, { recursive: true }))

  // P105
  test('is set aside unchanged, and ours is left where it is', async () => {
    const db = openDatabase(path)
    new Catalog(db, () => 1).putFact('host', JSON.stringify(host))
    db.close()
    const before = readFileSync(path)
    for (const sameOrSilent of [imds('i-1'), away]) {
      await setForeignStateAside(path, { imds: sameOrSilent, log: quiet, signal })
      expect(existsSync(path)).toBe(true)
    }
    await setForeignStateAside(path, { imds: imds('i-2'), log: quiet, signal })
    expect(existsSync(path)).toBe(false)
    expect(readFileSync(`${path}.of-i-1`).equals(before)).toBe(true)
    await setForeignStateAside(path, { imds: imds('i-2'), log: quiet, signal })
    openDatabase(path).close()
  })

  // P105
  test('is not moved over one that was set aside before', async () => {
    const db = openDatabase(path)
    new Catalog(db, () => 1).putFact('host', JSON.stringify(host))
    db.close()
    const asked = setForeignStateAside(path, { imds: imds('i-2'), log: quiet, signal })
    await expect(asked).rejects.toThrow('is there already')
    expect(existsSync(path)).toBe(true)
  })
})

describe('retention', () => {
  // P11
  test('forgets what stopped long ago, and nothing that still holds something', () => {
    const made = memory(() => time)
    for (const id of ['running', 'stopped', 'stopping']) {
      made.journal.begin(id, spec())
      settleHolder(made.journal, id)
    }
    for (const id of ['stopped', 'stopping']) made.journal.append(id, stop)
    settleHolder(made.journal, 'stopped')
    const hour = 3_600_000
    for (const id of ['running', 'stopped']) made.catalog.tag(`arn:task/c/${id}`, { a: '1' })
    prune(made.journal, made.catalog, hour, time + hour)
    expect(made.journal.all()).toHaveLength(3)
    prune(made.journal, made.catalog, hour, time + hour + 1)
    expect(made.journal.all().map(({ id }) => id)).toEqual(['running', 'stopping'])
    expect(made.catalog.tags('arn:task/c/stopped')).toEqual({})
    expect(made.catalog.tags('arn:task/c/running')).toEqual({ a: '1' })
  })

  test('waits while nothing can be written, and forgets then', () => {
    const made = memory(() => time)
    made.journal.begin('a', spec())
    made.journal.append('a', stop)
    made.db.pragma('query_only = 1')
    expect(() => made.journal.forget('a')).toThrow(StateFileUnwritable)
    prune(made.journal, made.catalog, 1, time + 1_000)
    expect(made.journal.all()).toHaveLength(1)
    made.db.pragma('query_only = 0')
    prune(made.journal, made.catalog, 1, time + 1_000)
    expect(made.journal.all()).toEqual([])
  })

  test('a clock set back keeps what stopped, one set forth forgets it and nothing that runs', () => {
    const made = memory(() => time)
    const hour = 3_600_000
    for (const id of ['running', 'stopped']) {
      made.journal.begin(id, spec())
      settleHolder(made.journal, id)
    }
    made.journal.append('stopped', stop)
    settleHolder(made.journal, 'stopped')
    prune(made.journal, made.catalog, hour, time - 20 * hour)
    expect(made.journal.all()).toHaveLength(2)
    prune(made.journal, made.catalog, hour, time + 20 * hour)
    expect(made.journal.all().map(({ id }) => id)).toEqual(['running'])
  })
})

describe('what was kept of the host and cannot be read', () => {
  test('does not set a state file aside, and is asked for anew', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'enid-worn-'))
    const path = join(folder, 'enid.db')
    const db = openDatabase(path)
    const catalog = new Catalog(db, () => 1)
    catalog.putFact('host', '{"instanceId":"i-')
    catalog.putFact('foreignIndices', '[0,')
    const log = { warn: () => {} } as never
    const signal = AbortSignal.timeout(5000)
    const imds = { read: async () => 'i-2' } as never
    await setForeignStateAside(path, { imds, log, signal })
    expect(existsSync(path)).toBe(true)
    const at = (DeviceIndex: number) => ({
      NetworkInterfaceId: `eni-${DeviceIndex}`,
      Attachment: { DeviceIndex },
    })
    const NetworkInterfaces = [at(0), at(3)]
    const ec2 = { call: async () => ({ Reservations: [{ Instances: [{ NetworkInterfaces }] }] }) }
    const onDefect = (error: unknown) => expect.fail(String(error))
    const { journal } = memory()
    const asking = { ec2: ec2 as never, catalog, log, signal, host, journal, onDefect }
    expect([...(await foreignIndices(asking)).known]).toEqual([0, 3])
    expect(catalog.jsonFact('foreignIndices')).toEqual([0, 3])
    db.close()
    rmSync(folder, { recursive: true })
  })
})
