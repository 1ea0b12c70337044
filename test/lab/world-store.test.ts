// Goal: what a lab remembers is its world, whole and exact, whatever the world comes to hold; a file
// that cannot be read is refused with the remedy. Method: real files, worlds made by hand and by
// chance, and the lab's own EC2 over a fabric of memory.

import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, uptime } from 'node:os'
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
import { breaks, recordedShape, worldShape } from './world-shape.ts'

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

/** A folder as a killed lab leaves it: its log holds what was stored, and nothing is closed. */
function killed(): { folder: string; log: string; frame: number } {
  const [live, folder] = ['live', 'lab'].map((each) => join(root, each)) as [string, string]
  const store = WorldStore.open('live', root)
  store.save(empty, fresh)
  let world = fresh
  for (let n = 0; n < 20; n++) {
    const tags = new Map(world.tags).set(`i-${n}`, new Map([['n', 'x'.repeat(2000)]]))
    store.save(world, { ...world, tags })
    world = { ...world, tags }
  }
  cpSync(live, folder, { recursive: true })
  store.close()
  const log = join(folder, 'world.db-wal')
  return { folder, log, frame: 24 + readFileSync(log).readUInt32BE(8) }
}

// P329
test('a log that is damaged anywhere but in its last page is refused, and nothing of it is changed', () => {
  const { log, frame } = killed()
  const whole = readFileSync(log)
  const frames = Math.floor((whole.length - 32) / frame)
  expect(frames).toBeGreaterThan(20)
  // A bit of a page, of a frame's sums, of its number; first, in the middle, last but one.
  for (const nth of [0, frames >> 1, frames - 2]) {
    for (const at of [500, 17, 1]) {
      const damaged = Buffer.from(whole)
      const place = 32 + nth * frame + at
      damaged.writeUInt8((damaged[place] ?? 0) ^ 4, place)
      writeFileSync(log, damaged)
      expect(() => recalled(), `frame ${nth}, byte ${at}`).toThrow(
        new RegExp(
          `log \\(world.db-wal\\) is damaged: ${frames - nth} pages.*Nothing was changed.*--fresh`,
        ),
      )
      expect(readFileSync(log).equals(damaged)).toBe(true)
    }
  }
  writeFileSync(log, whole)
  expect(recalled()?.tags.has('i-19')).toBe(true)
})

// P329
test('a log whose last page was being written when the lab was killed, or that a power loss cut, is read up to there', () => {
  const { folder, log, frame } = killed()
  const whole = readFileSync(log)
  const kept = join(root, 'kept')
  cpSync(folder, kept, { recursive: true })
  const again = (bytes: Buffer, at?: Date): boolean | undefined => {
    rmSync(folder, { recursive: true })
    cpSync(kept, folder, { recursive: true })
    writeFileSync(log, bytes)
    if (at !== undefined) utimesSync(log, at, at)
    return recalled()?.tags.has('i-0')
  }
  const torn = Buffer.from(whole)
  torn.fill(0, whole.length - frame + 24 + 100)
  expect(again(torn), 'half a page').toBe(true)
  expect(again(whole.subarray(0, whole.length - 1000)), 'cut').toBe(true)
  const hole = Buffer.from(whole)
  hole.fill(0, whole.length - 3 * frame, whole.length - 2 * frame)
  expect(() => again(hole)).toThrow(/is damaged/)
  const longAgo = new Date(Date.now() - uptime() * 1000 - 60_000)
  expect(again(hole, longAgo), 'before the machine started').toBe(true)
})

describe('the format', () => {
  test('is raised where an older lab’s world would not be one of this one’s', () => {
    const { format, types } = recordedShape()
    expect(FORMAT, 'it never goes back').toBeGreaterThanOrEqual(format)
    const broken = FORMAT === format ? breaks(types, worldShape()) : []
    expect(broken, 'raise FORMAT in lab/world-store.ts').toEqual([])
    expect(
      recordedShape(),
      'record it: node test/lab/world-shape.ts --write, npm run lint',
    ).toEqual({
      format: FORMAT,
      types: worldShape(),
    })
  })

  test.each<[string, string[], string[]]>([
    ['a member that is gone', ['readonly a: string', 'readonly b: string'], ['readonly a: string']],
    ['a member of another type', ['readonly a: string'], ['readonly a: number']],
    ['a member that must be there', [], ['readonly a: string']],
    ['an alternative that is gone', ["| 'a'", "| 'b'"], ["| 'a'"]],
  ])('has to be for %s', (_what, before, now) => {
    expect(breaks({ World: before }, { World: now })).not.toEqual([])
  })

  test.each<[string, string[], string[]]>([
    ['a member that may be there', [], ['readonly a?: string']],
    ['a new map', [], ['readonly moons: ReadonlyMap<string, Moon>']],
    ['one more alternative', ["| 'a'"], ["| 'a'", "| 'b'"]],
  ])('need not be for %s', (_what, before, now) => {
    expect(breaks({ World: before }, { World: now })).toEqual([])
  })

  test('is about all that a world is made of', () => {
    const types = worldShape()
    const members = Object.keys(empty).filter(
      (each) =>
        ![...Object.values(types)].flat().some((line) => line.startsWith(`readonly ${each}`)),
    )
    expect(members).toEqual([])
    expect(Object.keys(types)).toEqual(
      expect.arrayContaining(['Attachment', 'Probe', 'Peer', 'Route']),
    )
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
