// Goal: the agent may die before and after every effect and every commit of a start and of a stop,
// and the next life finishes the work: the task runs, or it is gone, and nothing is left in any of
// four places. Method: every point of every row there is, on real Docker, kernel and lab.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { faultPoint, MOMENTS } from '../../agent/fault-point.ts'
import { rows } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { Rig } from './rig.ts'

const all = rows(spec({ containers: [container('app')] })).map(({ id }) => id)
const points = (verb: 'ensure' | 'release') =>
  all.flatMap((row) => MOMENTS.map((moment) => faultPoint(moment, verb, row)))

/** One start and one stop are cut short in each test: half as many lives, all the same points. */
const releases = points('release')
const pairs = points('ensure').map((start, n) => ({
  start,
  stop: releases[n] ?? expect.fail('as many releases as ensures'),
  next: points('ensure')[n + 1],
}))

let rig: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('web')
  await rig.define('idle', 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done')
  await rig.endAgent('SIGTERM')
})
afterAll(() => rig?.close())

/** Nothing is left in EC2, in Docker and in the journal; links and namespaces are looked at last. */
async function expectNothing(): Promise<void> {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  const status = JSON.parse((await rig.enid('ps', '--json', '--all')).stdout) as {
    tasks: { lastStatus: string }[]
  }
  expect(status.tasks.every(({ lastStatus }) => lastStatus === 'STOPPED')).toBe(true)
}

const taskIds = async (): Promise<string[]> => {
  const { stdout } = await rig.enid('ps', '--json', '--all')
  return (JSON.parse(stdout) as { tasks: { taskId: string }[] }).tasks.map(({ taskId }) => taskId)
}

// P3
test.each(pairs)(
  'cut short $start, and then $stop, it is finished each time',
  async (pair) => {
    if (life !== pair.start) await begin(pair.start)
    const known = await taskIds()
    // The very first points lie inside of RunTask itself: then its answer never comes.
    await rig.run('idle', [group]).catch(() => [])
    await rig.agentDeath()
    await begin(pair.stop)
    const [id = '', ...more] = (await taskIds()).filter((task) => !known.includes(task))
    expect(more).toEqual([])
    await rig.waitFor(id, 'RUNNING')
    expect(await rig.enis()).toHaveLength(1)
    expect(await rig.containers()).toHaveLength(2)

    await rig.stop(id, 'enough').catch(() => {})
    await rig.agentDeath()
    await begin(pair.next)
    expect((await rig.waitFor(id, 'STOPPED')).stoppedReason).toBe('enough')
    await expectNothing()
  },
  180_000,
)

/** The fault that the agent of the moment will die of. */
let life: string | undefined
async function begin(fault: string | undefined): Promise<void> {
  await rig.endAgent('SIGTERM')
  await rig.startAgent(fault)
  life = fault
}

// P3
test('no link, namespace or table is left of all that', async () => {
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
