// Goal: the agent may die before and after every effect and every commit of a start and of a stop,
// and the next life finishes the work: the task runs, or it is gone, and nothing is left in any of
// four places. Method: every point of every row there is, on real Docker, kernel and lab.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { faultPoint, MOMENTS } from '../../agent/fault-point.ts'
import { rows } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { Rig } from './rig.ts'

const all = rows(spec({ containers: [container('app')] })).map(({ id }) => id)
const points = (verb: 'ensure' | 'release') =>
  all.flatMap((row) => MOMENTS.map((moment) => faultPoint(moment, verb, row)))

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

describe('a start', () => {
  test.each(points('ensure'))(
    'that is cut short %s is finished',
    async (point) => {
      await rig.startAgent(point)
      const [id = ''] = await rig.run('idle', [group])
      await rig.agentDeath()
      await rig.startAgent()
      await rig.waitFor(id, 'RUNNING')
      expect(await rig.enis()).toHaveLength(1)
      expect(await rig.containers()).toHaveLength(2)
      await rig.stopAndWait(id)
      await expectNothing()
      await rig.endAgent('SIGTERM')
    },
    60_000,
  )
})

describe('a stop', () => {
  test.each(points('release'))(
    'that is cut short %s is finished',
    async (point) => {
      await rig.startAgent(point)
      const [id = ''] = await rig.run('idle', [group])
      await rig.waitFor(id, 'RUNNING')
      await rig.stop(id, 'enough')
      await rig.agentDeath()
      await rig.startAgent()
      expect((await rig.waitFor(id, 'STOPPED')).stoppedReason).toBe('enough')
      await expectNothing()
      await rig.endAgent('SIGTERM')
    },
    60_000,
  )
})

test('no link, namespace or table is left of all that', async () => {
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 60_000)
