// Goal: a task is protected by whoever runs it, or by its own word, for as long as ECS allows, and
// says so. Method: the SDK, and requests from inside a namespace, over a real state file.

import { GetTaskProtectionCommand, UpdateTaskProtectionCommand } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { endpointId } from '../../state/endpoint-id.ts'
import { isProtected } from '../../state/protection.ts'
import { register, runOne } from './questions.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()
let arn = ''
let id = ''
beforeEach(async () => {
  await register(rig)
  arn = await runOne(rig)
  id = arn.split('/').at(-1) ?? ''
})

const update = (protectionEnabled: boolean, expiresInMinutes?: number, tasks = [arn]) =>
  rig.ecs.send(
    new UpdateTaskProtectionCommand({
      cluster: 'default',
      tasks,
      protectionEnabled,
      ...(expiresInMinutes === undefined ? {} : { expiresInMinutes }),
    }),
  )
const get = (tasks?: string[]) =>
  rig.ecs.send(new GetTaskProtectionCommand({ cluster: 'default', ...(tasks && { tasks }) }))
const isOn = (at = Date.now()) => {
  const holder = rig.journal.get(id)?.holder
  return holder !== undefined && isProtected(holder, at)
}

/** Minutes from now, of a date. */
const minutesTo = (date: Date | string | null | undefined) =>
  Math.round((new Date(date ?? 0).getTime() - Date.now()) / 60_000)

describe('the actions', () => {
  // P350
  test('protect a task for two hours unless told, and take it back', async () => {
    const { protectedTasks: [one] = [], failures } = await update(true)
    expect(failures).toEqual([])
    expect(one).toMatchObject({ taskArn: arn, protectionEnabled: true })
    expect(minutesTo(one?.expirationDate)).toBe(120)
    expect(isOn()).toBe(true)
    expect(isOn(Date.now() + 121 * 60_000)).toBe(false)
    expect((await get()).protectedTasks).toEqual([one])
    await update(false)
    expect(isOn()).toBe(false)
    expect((await get([arn])).protectedTasks).toEqual([{ taskArn: arn, protectionEnabled: false }])
  })

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['no time', () => update(true, 0), /expiresInMinutes: 0 is no whole number from 1 to 2880/],
    ['more than 48 hours', () => update(true, 2881), /2881 is no whole number/],
    ['no task', () => update(true, 1, []), /at least one task/],
    ['eleven tasks', () => update(true, 1, Array(11).fill(arn)), /11 tasks; at most 10/],
  ])('refuse %s', async (_what, ask, rule) => {
    await expect(ask()).rejects.toThrow(rule)
  })

  test('name a task that there is not, and one that stops', async () => {
    const none = 'f'.repeat(32)
    rig.orders.stop(id, { code: 'UserInitiated', reason: 'x' })
    const { protectedTasks, failures } = await update(true, 1, [arn, none])
    expect(protectedTasks).toEqual([])
    expect(failures).toMatchObject([
      { arn, reason: 'TASK_NOT_VALID' },
      { arn: expect.stringContaining(none), reason: 'MISSING' },
    ])
  })
})

describe('a task', () => {
  const state = (method: string, body?: unknown, of = id) =>
    rig.fromInside(
      `/var/run/docker/netns/${id.slice(0, 8)}`,
      `/api/${endpointId(of, 'nginx')}/task-protection/v1/state`,
      // As curl sends it where nobody tells it the type.
      body === undefined
        ? { method }
        : {
            method,
            body: JSON.stringify(body),
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
          },
    )

  // P351
  test('protects itself, is told for how long, and takes it back', async () => {
    const { status, body } = await state('PUT', { ProtectionEnabled: true, ExpiresInMinutes: 60 })
    expect(status).toBe(200)
    const { protection } = body as { protection: { ExpirationDate: string } }
    expect(protection).toMatchObject({ ProtectionEnabled: true, TaskArn: arn })
    expect(minutesTo(protection.ExpirationDate)).toBe(60)
    const shown = (await (await fetch(`${rig.url}/tasks/${id}`)).json()) as object
    expect(shown).toMatchObject({ protectedUntil: protection.ExpirationDate })
    expect(isOn()).toBe(true)
    expect((await state('GET')).body).toMatchObject({ protection })
    expect((await state('PUT', { ProtectionEnabled: false })).body).toMatchObject({
      protection: { ProtectionEnabled: false, ExpirationDate: null, TaskArn: arn },
    })
    expect(isOn()).toBe(false)
  })

  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /JSON object/],
    ['no JSON object', [true], /JSON object/],
    ['no wish', { ExpiresInMinutes: 1 }, /true or false is required/],
    ['what nobody knows', { ProtectionEnabled: true, For: 1 }, /JSON object/],
    ['a text', { ProtectionEnabled: 'true' }, /true or false is required/],
    [
      'half a minute',
      { ProtectionEnabled: true, ExpiresInMinutes: 0.5 },
      /0\.5 is no whole number/,
    ],
  ])('that asks with %s is told what is wrong', async (_what, wish, why) => {
    const { status, body } = await state('PUT', wish)
    expect(status).toBe(400)
    expect(body).toMatchObject({ error: { Arn: arn, Code: 'InvalidParameterException' } })
    expect((body as { error: { Message: string } }).error.Message).toMatch(why)
  })

  test('may write its members in other letters, as ECS lets it', async () => {
    const { body } = await state('PUT', { protectionEnabled: true, expiresInMinutes: 5 })
    expect(body).toMatchObject({ protection: { ProtectionEnabled: true } })
  })

  // P351
  test('protects no other task, and that is counted', async () => {
    const other = (await runOne(rig)).split('/').at(-1) ?? ''
    expect((await state('PUT', { ProtectionEnabled: true }, other)).status).toBe(404)
    expect((await get()).protectedTasks?.map(({ protectionEnabled }) => protectionEnabled)).toEqual(
      [false, false],
    )
    const metrics = await (await fetch(`${rig.url}/metrics`)).text()
    expect(metrics).toMatch(/^enid_task_endpoint_refused_total 1$/m)
  })
})
