// Goal: a task is given what its role has, and the log says who got which key and no secret; a file of
// roles that cannot be used keeps the agent from starting. Method: the orders over a journal in memory.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { AgentRefused } from '../../agent/config.ts'
import type { Credentials } from '../../agent/drivers/roles/credentials.ts'
import type { Roles } from '../../agent/drivers/roles/roles.ts'
import { Failure } from '../../agent/failure.ts'
import { openSecrets, taskOrders, warmUp } from '../../agent/task-orders.ts'
import type { Journal } from '../../state/journal.ts'
import { isProtected } from '../../state/protection.ts'
import { spec } from '../state/specs.ts'
import { memory } from './journals.ts'

const ROLE = 'arn:aws:iam::123456789012:role/web'
const KEYS = { accessKeyId: 'AKIA', secretAccessKey: 'hunter2', sessionToken: 'token' }

let journal: Journal
let said: string[]
let asked: string[]
let answer: Credentials | Failure

const roles: Roles = {
  has: (role) => role === ROLE,
  async get(role, session) {
    asked.push(`${role} ${session}`)
    if (answer instanceof Failure) throw answer
    return answer
  },
}

beforeEach(() => {
  ;({ journal } = memory(() => 1))
  said = []
  asked = []
  answer = KEYS
  journal.begin('a', spec({ roles: { task: ROLE } }))
  journal.begin('b', spec())
})

const orders = () => {
  const say = (fields: object, text?: string) => said.push(JSON.stringify([fields, text]))
  return taskOrders({ journal, roles, log: { info: say as never } })
}

describe('credentials for a task', () => {
  test('are its role’s, asked for in its own name; the log says which key, and no secret', async () => {
    answer = { ...KEYS, expiresAt: 5_000 }
    expect(await orders().credentials('a')).toEqual({
      ...{ roleArn: ROLE, accessKeyId: 'AKIA', secretAccessKey: 'hunter2', token: 'token' },
      expiresAt: 5_000,
    })
    expect(asked).toEqual([`${ROLE} a`])
    expect(said.join()).toMatch(/"task":"a".*"accessKeyId":"AKIA".*credentials given to a task/)
    expect(said.join()).not.toMatch(/hunter2|token/)
  })

  test('that never run out are said to be good for an hour, without a token', async () => {
    answer = { accessKeyId: 'AKIA', secretAccessKey: 'hunter2' }
    const { token, expiresAt } = await orders().credentials('a')
    expect(token).toBe('')
    expect(Math.round((expiresAt - Date.now()) / 60_000)).toBe(60)
  })

  test('of running tasks are got at the start of the agent, and no others', async () => {
    journal.begin('c', spec({ roles: { task: ROLE } }))
    journal.append('c', { type: 'stopAsked', stop: { code: 'UserInitiated', reason: 'x' } })
    answer = new Failure('transient', 'RoleCredentialsFailed', 'told to whoever asks')
    warmUp(journal, roles, new AbortController().signal)
    await Promise.resolve()
    expect(asked).toEqual([`${ROLE} a`])
  })

  // P525
  test('of many running tasks are got a few at a time, and no more once the agent ends', async () => {
    for (let n = 0; n < 20; n++) journal.begin(`t${n}`, spec({ roles: { task: ROLE } }))
    const answers: (() => void)[] = []
    const slow = {
      ...roles,
      get: (_role: string, id: string) => {
        asked.push(id)
        return new Promise<never>((_, reject) => answers.push(() => reject(new Error('no'))))
      },
    }
    const ended = new AbortController()
    warmUp(journal, slow, ended.signal)
    const answer = async () => {
      answers.shift()?.()
      for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    }
    expect(asked).toHaveLength(4)
    for (let n = 5; n <= 10; n++) {
      await answer()
      expect(asked).toHaveLength(n)
    }
    ended.abort()
    for (let n = 0; n < 4; n++) await answer()
    expect(asked).toHaveLength(10)
    expect(new Set(asked).size).toBe(10)
  })
})

test('protection is written down, and taken back', () => {
  const of = (now: number) => isProtected(journal.get('a')?.holder ?? expect.fail('gone'), now)
  orders().protect('a', 100)
  expect([of(99), of(100)]).toEqual([true, false])
  orders().protect('a', undefined)
  expect(of(99)).toBe(false)
})

test('a way to credentials that fails is told to the log, once for each asking', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-orders-'))
  const rolesFile = join(folder, 'roles.json')
  const source = { process: ['/bin/false'] }
  writeFileSync(rolesFile, JSON.stringify({ [ROLE]: source }), { mode: 0o600 })
  const log = { warn: (fields: object, text?: string) => said.push(JSON.stringify([fields, text])) }
  const { signal } = new AbortController()
  const parts = { region: 'us-west-2', signal, log: log as never }
  const { roles: real, values } = openSecrets({ rolesFile, secretsDir: folder }, parts)
  for (let n = 0; n < 3; n++) await expect(real.get(ROLE, 'a')).rejects.toThrow(/exit code 1/)
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(/RoleCredentialsFailed.*exit code 1/)
  values.close()
  rmSync(folder, { recursive: true })
})

test('a file of roles that cannot be used keeps the agent from starting; none is no role', () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-orders-'))
  const rolesFile = join(folder, 'roles.json')
  writeFileSync(rolesFile, '{"web": {}}', { mode: 0o600 })
  const { signal } = new AbortController()
  const where = { region: 'us-west-2', signal, log: { warn: () => {} } }
  const open = (file: string | undefined) =>
    openSecrets({ rolesFile: file, secretsDir: folder }, where)
  expect(() => open(rolesFile)).toThrow(AgentRefused)
  expect(() => open(rolesFile)).toThrow(/"web" is not the ARN of an IAM role/)
  const { roles: none, values } = open(undefined)
  expect(none.has(ROLE)).toBe(false)
  values.close()
  rmSync(folder, { recursive: true })
})
