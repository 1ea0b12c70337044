// Goal: the switches can be read, set and cleared, and what does not exist is refused with the list
// of what does. Method: the lab's routes over HTTP; and every kind of fault has a test of its own.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KINDS } from '../../lab/faults/kinds.ts'
import { type FaultRig, makeFaultRig } from './fault-rig.ts'

let rig: FaultRig
beforeEach(async () => {
  rig = await makeFaultRig()
})
afterEach(() => rig.end())

describe('the list', () => {
  // P200
  test('has every kind with one line, and those that are on with what they were told', async () => {
    const { answer } = await rig.ask('GET', 'faults')
    expect(answer).toMatchObject({
      profile: { name: 'fast', seed: 1, scale: 1 },
      faults: [],
      profiles: ['fast', 'aws', 'hostile'],
    })
    const known = answer.known as { name: string; summary: string; options: string[] }[]
    expect(known.map(({ name }) => name)).toEqual([...KINDS.keys()])
    for (const { name, summary } of known) {
      expect(summary, name).not.toBe('')
      expect(summary.length, name).toBeLessThan(100)
      expect(summary, name).not.toContain('\n')
    }
    await rig.fault('link-late', { times: 2, task: 'task-1' })
    expect(await rig.faults()).toEqual([
      {
        id: 'fault-1',
        name: 'link-late',
        action: 'AttachNetworkInterface',
        seconds: 5,
        seed: 1,
        times: 2,
        task: 'task-1',
        seen: 0,
        fired: 0,
        hits: [],
      },
    ])
    const status = await rig.ask('GET', 'status')
    expect(status.answer).toMatchObject({ profile: { name: 'fast' }, faults: ['link-late'] })
  })

  test('loses one fault, or all; the profile stays', async () => {
    await rig.ask('POST', 'profile', { name: 'aws', seed: 9, scale: 0.001 })
    const [a, b, c] = [
      await rig.fault('link-never'),
      await rig.fault('link-never'),
      await rig.fault('error-500'),
    ]
    expect((await rig.ask('DELETE', `faults/${b.id}`)).answer).toEqual({ removed: b.id })
    expect((await rig.faults()).map(({ id }) => id)).toEqual([a.id, c.id])
    const again = await rig.ask('DELETE', `faults/${b.id}`)
    expect(again.status).toBe(404)
    expect(again.answer.error?.message).toContain(`On are: ${a.id}, ${c.id}.`)
    expect((await rig.ask('DELETE', 'faults')).answer).toEqual({ removed: 'all' })
    const { answer } = await rig.ask('GET', 'faults')
    expect(answer).toMatchObject({ faults: [], profile: { name: 'aws', seed: 9, scale: 0.001 } })
  })
})

describe('bad input', () => {
  // P200
  test.each<[object, string]>([
    [
      { name: 'nonsense' },
      "There is no fault 'nonsense'. The faults are: throttle, request-limit,",
    ],
    [{}, "There is no fault 'undefined'. The faults are: throttle"],
    [[], 'must be an object'],
    [{ name: '__proto__' }, "There is no fault '__proto__'"],
    [{ name: 'error-500', colour: 1 }, "error-500 takes no 'colour'. It takes: calls, times,"],
    [{ name: 'throttle', times: 1 }, "throttle takes no 'times'. It takes: action."],
    [{ name: 'target-terminated', seconds: 1 }, "takes no 'seconds'. It takes: calls, times,"],
    [{ name: 'error-500', seed: 'x' }, "seed is 'x': it must be a whole number from 0 to 42949"],
    [{ name: 'error-500', seed: -1 }, "seed is '-1'"],
    [{ name: 'error-500', seed: 1.5 }, "seed is '1.5'"],
    [{ name: 'error-500', likelihood: 0 }, "likelihood is '0': it must be a number from 0.000001"],
    [{ name: 'error-500', likelihood: 1.1 }, "likelihood is '1.1'"],
    [{ name: 'error-500', times: 0 }, "times is '0'"],
    [{ name: 'error-500', calls: [] }, 'calls must be'],
    [{ name: 'error-500', calls: [0] }, "calls is '0'"],
    [
      { name: 'error-500', action: 'RunNothing' },
      "There is no action 'RunNothing' in the lab. Its",
    ],
    [{ name: 'error-500', eni: 'x' }, "eni is 'x': it must be an id such as eni-"],
    [{ name: 'error-500', task: '' }, "task is ''"],
    [{ name: 'subnet-full', subnet: 'subnet' }, "subnet is 'subnet'"],
    [{ name: 'group-deleted', group: 'web' }, "group is 'web'"],
    [{ name: 'link-late', seconds: -1 }, "seconds is '-1'"],
    [{ name: 'link-late', seconds: 86_401 }, "seconds is '86401'"],
    [{ name: 'link-late', action: 'Describe*' }, "link-late takes no 'action'"],
    [
      { name: 'foreign-eni', task: 'a' },
      'task says which call foreign-eni follows: give an action',
    ],
  ])('%j is refused by name', async (body, words) => {
    const { status, answer } = await rig.ask('POST', 'faults', body)
    expect([status, answer.error?.message]).toEqual([400, expect.stringContaining(words)])
    expect(await rig.faults()).toEqual([])
  })

  test.each<[object, string]>([
    [{ name: 'slow' }, "There is no profile 'slow'. The profiles are: fast, aws, hostile."],
    [{}, "There is no profile 'undefined'"],
    [{ name: 'aws', seed: 2 ** 32 }, "seed is '4294967296': it must be a whole number from 0 to"],
    [{ name: 'aws', scale: 0 }, "scale is '0'"],
    [{ name: 'aws', speed: 2 }, "Unknown field 'speed'. Allowed: name, seed, scale."],
  ])('a profile of %j is refused by name', async (body, words) => {
    const { status, answer } = await rig.ask('POST', 'profile', body)
    expect([status, answer.error?.message]).toEqual([400, expect.stringContaining(words)])
    const faults = await rig.ask('GET', 'faults')
    expect(faults.answer.profile).toMatchObject({ name: 'fast' })
  })
})

/** What is about nobody's call in particular, and why. */
const NOT_PER_TASK = {
  throttle: 'a bucket is the whole account’s; request-limit strikes one call of one task',
  'imds-absent': 'a host asks IMDS, not a task',
  'imds-error': 'the same',
  'imds-stale': 'the same',
  'spot-interruption': 'the notice is the instance’s',
  'rebalance-recommendation': 'the same',
  'scheduled-event': 'the same',
  'spot-stop': 'the same',
  'target-terminated': 'the same',
}

// P205
test('every fault is scripted by call and seed, and by task unless it is about none', () => {
  const without = (...wanted: string[]) =>
    [...KINDS]
      .filter(([, { options }]) => wanted.some((each) => !(options as string[]).includes(each)))
      .map(([name]) => name)
  expect(without('calls', 'times', 'likelihood', 'seed')).toEqual(['throttle'])
  expect(without('task').sort()).toEqual(Object.keys(NOT_PER_TASK).sort())
})

// P205
test('docs/lab.md names every fault, which of them are of no task, and a test that there is', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/lab.md'), 'utf8')
  const weather = text.slice(text.indexOf('## Bad weather'))
  const rows = weather.split('\n').filter((line) => /^\| .*`/.test(line) && !line.includes('---'))
  const switches = rows.slice(1).map((row) => row.split(' | ')[1] ?? '')
  const named = switches.flatMap((cell) => [...cell.matchAll(/`([a-z0-9-]+)`( †)?/g)])
  const profiles = ['fast', 'aws', 'hostile']
  expect(named.map(([, name]) => name).sort()).toEqual([...KINDS.keys(), ...profiles].sort())
  const marked = named.filter(([, , mark]) => mark !== undefined).map(([, name]) => name)
  expect(marked.sort()).toEqual(Object.keys(NOT_PER_TASK).sort())
  expect(weather).toContain(`names ${KINDS.size} faults`)
  for (const row of rows.slice(1)) {
    let file = ''
    for (const [, word, title] of row.matchAll(/(?:([a-z]+) )?"([^"]+)"/g)) {
      file = word ?? file
      const tests = readFileSync(join(import.meta.dirname, `faults-${file}.test.ts`), 'utf8')
      expect(tests, `faults-${file}`).toContain(`'${title}`)
    }
    expect(file, row).not.toBe('')
  }
})

// P200
test('every kind of fault has a test that names it first', () => {
  const files = readdirSync(import.meta.dirname).filter((name) => /^faults-.*\.test/.test(name))
  const texts = files.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  const untested = [...KINDS.keys()].filter(
    (name) =>
      !texts.some(
        (text) =>
          text.includes(`'${name}: `) ||
          text.includes(`['${name}', `) ||
          text.includes(`('${name}'`),
      ),
  )
  expect(untested).toEqual([])
})
