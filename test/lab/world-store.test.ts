// Goal: what a lab remembers is its world, whole and exact, whatever the world comes to hold; a file
// that cannot be read is refused with the remedy. Method: real files, worlds made by hand and by
// chance, and the lab's own EC2 over a fabric of memory.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateNetworkInterfaceCommand, CreateTagsCommand } from '@aws-sdk/client-ec2'
import Sqlite from 'better-sqlite3'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { emptyWorld, freshWorld } from '../../lab/model/fresh-world.ts'
import type { World } from '../../lab/model/world.ts'
import { fromJson, toJson } from '../../lab/world-json.ts'
import { FORMAT, WorldStore } from '../../lab/world-store.ts'
import { errorOf, makeRig } from './rig.ts'

const random = (length: number): Buffer => Buffer.alloc(length, 7)
const empty = emptyWorld(random)
const fresh = freshWorld(
  { instanceType: 'lab.unlimited', netns: '/proc/self/ns/net', labNetns: '/run/netns/x' },
  random,
  new Date('2026-11-27T12:00:00Z'),
)

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'enid-store-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** What another process would find. */
function recalled(name = 'lab'): World | undefined {
  const store = WorldStore.open(name, root)
  try {
    return store.load(empty)?.now
  } finally {
    store.close()
  }
}

/** The world with its order, which equality of maps does not see. */
const inOrder = (world: World | undefined): string => toJson(world, 'world')

describe('a world', () => {
  // P247
  test('is remembered whole: every member that there is, and those that come, with no line of theirs', () => {
    const value = { id: 'x', at: new Date(5), of: new Map([['k', [1, 'two', null, false]]]) }
    const members = Object.entries(fresh).map(([name, member]) => [
      name,
      member instanceof Map ? new Map([...member, [`${name}-1`, value]]) : member,
    ])
    const world: World = { ...Object.fromEntries(members), newKind: new Map([['n-1', value]]) }
    for (const [name, member] of Object.entries(world)) {
      expect(member instanceof Map || typeof member === 'string', `${name} can be stored`).toBe(
        true,
      )
    }
    const store = WorldStore.open('lab', root)
    store.save(empty, fresh)
    store.save(fresh, world)
    store.close()
    const again = WorldStore.open('lab', root)
    const found = again.load({ ...empty, newKind: new Map() } as World)
    again.close()
    expect(found).toEqual({ now: world, fresh: { ...fresh, newKind: new Map() } })
    expect(inOrder(found?.now)).toBe(inOrder(world))
  })

  test('has after any changes the entries it has, in the order they stand in', () => {
    const ids = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.integer()))
    const store = WorldStore.open('lab', root)
    store.save(empty, fresh)
    let before = fresh
    fc.assert(
      fc.property(ids, ids, (groups, tags) => {
        // Maps written anew, in any order, as well as ones that only grow.
        const after = {
          ...before,
          groups: new Map(groups),
          tags: new Map(tags),
        } as unknown as World
        store.save(before, after)
        before = after
        expect(inOrder(store.load(empty)?.now)).toBe(inOrder(after))
      }),
      { numRuns: 150 },
    )
    store.close()
  })

  test.each([
    ['a Set', new Set([1])],
    ['no number', Number.NaN],
    ['undefined in a list', [undefined]],
    ['an instance', Buffer.from('x')],
    ['a function', () => 1],
    ['a bigint', 5n],
  ])('that holds %s is refused by where it is, and nothing is stored', (_what, value) => {
    const store = WorldStore.open('lab', root)
    store.save(empty, fresh)
    const groups = new Map([['sg-1', { rules: [{ bad: value }] }]])
    expect(() => store.save(fresh, { ...fresh, groups } as unknown as World)).toThrow(
      /cannot store groups sg-1\.rules\[0\]\.bad/,
    )
    expect(store.load(empty)?.now).toEqual(fresh)
    store.close()
  })

  test('of any shape that JSON, maps and times can say comes back the same', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.date({ noInvalidDate: true }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(
          fc.oneof(fc.string(), fc.constantFrom('$map', '$date', '$object')),
          tie('value'),
          { noNullPrototype: true },
        ),
        fc
          .array(fc.tuple(fc.string(), tie('value')), { maxLength: 3 })
          .map((each) => new Map(each)),
      ),
    }))
    fc.assert(
      fc.property(value, (each) => {
        expect(fromJson(toJson(each, 'value'))).toEqual(each)
      }),
    )
  })
})

describe('the file', () => {
  test('is one lab’s at a time, and the next one’s when it is closed', () => {
    const store = WorldStore.open('lab', root)
    store.save(empty, fresh)
    expect(() => WorldStore.open('lab', root)).toThrow(/a lab named 'lab' is running already/)
    expect(() => WorldStore.forget('lab', root)).toThrow(/is running already/)
    store.close()
    expect(recalled()).toEqual(fresh)
  })

  test('holds nothing before the first world, and is gone when the lab is', () => {
    WorldStore.open('lab', root).close()
    expect(recalled()).toBeUndefined()
    const store = WorldStore.open('lab', root)
    store.save(empty, fresh)
    store.end()
    expect(existsSync(join(root, 'lab'))).toBe(false)
  })

  // P246
  test.each<[string, (path: string) => void, RegExp]>([
    ['is not SQLite', (path) => writeFileSync(path, 'x'.repeat(5000)), /not a database/],
    [
      'is another program’s',
      (path) => change(path, 'PRAGMA application_id = 5'),
      /not the file of a lab/,
    ],
    [
      'has another format',
      (path) => change(path, `PRAGMA user_version = ${FORMAT + 1}`),
      new RegExp(`has format ${FORMAT + 1}, and this lab writes format ${FORMAT}`),
    ],
    [
      'has a log that is none',
      (path) => writeFileSync(`${path}-wal`, 'garbage'),
      /write-ahead log/,
    ],
    [
      'holds a kind that is not known',
      (path) => change(path, "UPDATE entries SET member = 'moons' WHERE member = 'vpcs'"),
      /it holds moons, which this lab does not know/,
    ],
    [
      'holds a row that is no JSON',
      (path) => change(path, "UPDATE entries SET value = '{' WHERE member = 'vpcs'"),
      /JSON/,
    ],
  ])('that %s is refused with the remedy, and is as it was', (_what, damage, reason) => {
    const store = WorldStore.open('lab', root)
    store.save(empty, fresh)
    store.close()
    const path = join(root, 'lab', 'world.db')
    damage(path)
    const before = readFileSync(path)
    let told = ''
    try {
      recalled()
    } catch (error) {
      told = (error as Error).message
    }
    expect(told).toMatch(reason)
    expect(told).toContain('`enid lab --fresh --name lab`')
    expect(readFileSync(path)).toEqual(before)
    WorldStore.forget('lab', root)
    expect(recalled()).toBeUndefined()
  })
})

function change(path: string, sql: string): void {
  const db = new Sqlite(path)
  db.exec(sql)
  db.close()
}

describe('a change', () => {
  test('is stored before it is answered, and a refused one is not', async () => {
    const store = WorldStore.open('lab', root)
    const rig = await makeRig('lab.unlimited', undefined, (before, after) =>
      store.save(before, after),
    )
    const eni = await rig.createEni({ ClientToken: 'once' })
    expect(store.load(empty)?.now).toEqual(rig.lab.region.world)
    await rig.ec2.send(
      new CreateTagsCommand({
        Resources: [eni.NetworkInterfaceId],
        Tags: [{ Key: 'a', Value: 'b' }],
      }),
    )
    await errorOf(rig.createEni({ SubnetId: 'subnet-0' }))
    expect(store.load(empty)?.now).toEqual(rig.lab.region.world)
    await rig.end()
    store.close()
  })

  // P241
  test('that cannot be stored is taken back, and the caller is told', async () => {
    let full = false
    const rig = await makeRig('lab.unlimited', undefined, () => {
      if (full) throw new Error('database or disk is full')
    })
    full = true
    const { region } = rig.lab
    const [before, ports] = [region.world, structuredClone(rig.fabric.groups)]
    const call = rig.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: rig.subnetA }))
    expect(await errorOf(call)).toEqual({
      code: 'InternalError',
      message:
        'The lab could not store the change, so nothing was changed: database or disk is full',
    })
    await errorOf(rig.makeGroup('lost'))
    expect(region.world).toBe(before)
    expect(rig.fabric.groups).toEqual(ports)
    full = false
    await rig.makeGroup('kept')
    await rig.end()
  })
})
