// Goal: a role's credentials are got by the way that the operator named, kept while they are good, got
// anew before they run out, and never said aloud. Method: real programs and files in a folder of
// their own, and a clock of the test's.

import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Credentials, credentialsFrom } from '../../agent/drivers/roles/credentials.ts'
import { openRoles } from '../../agent/drivers/roles/roles.ts'
import { type RoleSource, readRolesFile, rolesIn } from '../../agent/drivers/roles/roles-file.ts'
import { Failure } from '../../agent/failure.ts'

const ROLE = 'arn:aws:iam::123456789012:role/team/web'
const asking = { role: ROLE, session: 'task', region: 'us-west-2' }
const SECRET = 'hunter2'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'enid-roles-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const program = (name: string, body: string) => file(name, `#!/bin/sh\n${body}\n`, 0o700)
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()
const output = (change: object = {}) =>
  JSON.stringify({
    Version: 1,
    AccessKeyId: 'AKIA',
    SecretAccessKey: SECRET,
    SessionToken: 'token',
    Expiration: inAnHour(),
    ...change,
  })

async function refusal(source: RoleSource): Promise<Failure> {
  const error = await credentialsFrom(source, asking).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof Failure) return error
  throw new Error('no failure')
}

describe('the file of roles', () => {
  test('says for each role one way to its credentials', () => {
    const other = ROLE.replace('web', 'lab')
    const text = {
      [ROLE]: { process: ['/bin/helper', '--a', '$(b)'] },
      [`${ROLE}2`]: { file: '/etc/keys' },
      [other]: { static: { AccessKeyId: 'A', SecretAccessKey: 'S' } },
      [`${other}2`]: { assumeRole: true },
    }
    expect(Object.fromEntries(rolesIn(JSON.stringify(text), 'f'))).toEqual({
      [ROLE]: { kind: 'process', command: ['/bin/helper', '--a', '$(b)'] },
      [`${ROLE}2`]: { kind: 'file', path: '/etc/keys' },
      [other]: { kind: 'static', accessKeyId: 'A', secretAccessKey: 'S' },
      [`${other}2`]: { kind: 'assumeRole' },
    })
  })

  test.each<[string, unknown, RegExp]>([
    ['no object', [], /one JSON object/],
    ['no ARN', { web: { assumeRole: true } }, /"web" is not the ARN/],
    ['an unknown way', { [ROLE]: { vault: SECRET } }, /"vault", which is none of process, file/],
    ['two ways', { [ROLE]: { assumeRole: true, file: '/a' } }, /one of process/],
    [
      'a relative program',
      { [ROLE]: { process: ['helper', SECRET] } },
      /absolute path of a program/,
    ],
    ['a command line', { [ROLE]: { process: `/bin/helper ${SECRET}` } }, /must be a list/],
    ['half of a key', { [ROLE]: { static: { SecretAccessKey: SECRET } } }, /AccessKeyId/],
    ['AssumeRole not switched on', { [ROLE]: { assumeRole: false } }, /must be true/],
    ['no JSON', `{"${ROLE}": ${SECRET}`, /one JSON object/],
  ])('with %s is refused, and no value of it said', (_what, content, rule) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    const read = () => rolesIn(text, '/etc/roles.json')
    expect(read).toThrow(rule)
    expect(read).not.toThrow(SECRET)
  })

  test('that others may read is refused, and one that is not there', () => {
    const path = file('open.json', '{}', 0o644)
    expect(() => readRolesFile(path)).toThrow(/chmod 600/)
    expect(() => readRolesFile(join(folder, 'none'))).toThrow(/ENOENT/)
    chmodSync(path, 0o600)
    expect(readRolesFile(path).size).toBe(0)
  })
})

describe('credentials', () => {
  // P340
  test('are what a program prints, whose arguments no shell sees', async () => {
    const path = program('helper', `test "$1" = '$(echo a) b' && echo '${output()}'`)
    const source: RoleSource = { kind: 'process', command: [path, '$(echo a) b'] }
    const { expiresAt, ...keys } = await credentialsFrom(source, asking)
    expect(keys).toEqual({ accessKeyId: 'AKIA', secretAccessKey: SECRET, sessionToken: 'token' })
    expect(expiresAt).toBeGreaterThan(Date.now())
  })

  // P340
  test('are what a file holds, and may never run out', async () => {
    const text = JSON.stringify({ Version: 1, AccessKeyId: 'A', SecretAccessKey: SECRET })
    const source: RoleSource = { kind: 'file', path: file('keys', text) }
    expect(await credentialsFrom(source, asking)).toEqual({
      accessKeyId: 'A',
      secretAccessKey: SECRET,
    })
  })

  // P340
  test.each<[string, () => string, RegExp]>([
    ['fails', () => `echo ${SECRET}; echo ${SECRET} >&2; exit 3`, /ended with exit code 3/],
    ['prints no JSON', () => `echo ${SECRET}`, /is no JSON object with "Version": 1/],
    ['prints another version', () => `echo '${output({ Version: 2 })}'`, /"Version": 1/],
    ['prints half of it', () => `echo '${output({ AccessKeyId: '' })}'`, /lacks AccessKeyId/],
    ['prints no time', () => `echo '${output({ Expiration: 'soon' })}'`, /no ISO 8601 time/],
    [
      'prints what ran out',
      () => `echo '${output({ Expiration: '2020-01-01T00:00:00Z' })}'`,
      /ran out at 2020-01-01/,
    ],
    ['prints too much', () => `yes ${SECRET} | head -c 100000`, /over 65536 characters/],
    ['is ended', () => 'kill -9 $$', /was ended by SIGKILL/],
  ])(
    'of a program that %s are none, and the failure says so without them',
    async (what, body, why) => {
      const path = program(`p-${what.replaceAll(' ', '-')}`, body())
      const failure = await refusal({ kind: 'process', command: [path] })
      expect(failure).toMatchObject({ kind: 'transient', code: 'RoleCredentialsFailed' })
      expect(failure.message).toMatch(why)
      expect(JSON.stringify([failure.message, failure.hint, failure.cause])).not.toContain(SECRET)
    },
  )

  test('of a program that is under way when the agent ends are none, and it ends too', async () => {
    const mark = join(folder, 'outlived')
    const path = program('slow', `sleep 1; touch ${mark}`)
    const source: RoleSource = { kind: 'process', command: [path] }
    const signal = AbortSignal.timeout(100)
    await expect(credentialsFrom(source, { ...asking, signal })).rejects.toThrow(/was given up/)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(existsSync(mark)).toBe(false)
  })

  // P340
  test('of a program that is not there, or a file that others may read, are none', async () => {
    const gone = await refusal({ kind: 'process', command: [join(folder, 'gone')] })
    expect(gone.message).toMatch(/cannot be run: ENOENT/)
    const open = await refusal({ kind: 'file', path: file('open-keys', output(), 0o640) })
    expect(open.message).toMatch(/can be read by others/)
  })
})

describe('a role', () => {
  /** A way that a test turns by hand, and the clock. */
  function rig(kind: RoleSource['kind'] = 'file') {
    const state = { now: 1_000_000, asked: [] as string[], answer: undefined as unknown }
    const source = { kind, path: '/x' } as RoleSource
    const told: string[] = []
    const roles = openRoles({
      onFailure: (role, { message }) => told.push(`${role}: ${message}`),
      sources: new Map([[ROLE, source]]),
      region: 'us-west-2',
      now: () => state.now,
      from: async (_source, { session }) => {
        state.asked.push(session)
        await Promise.resolve()
        if (state.answer instanceof Error) throw state.answer
        return state.answer as Credentials
      },
    })
    const lasting = (seconds: number, id = 'A'): Credentials => ({
      accessKeyId: id,
      secretAccessKey: 'S',
      expiresAt: state.now + seconds * 1000,
    })
    return { state, roles, lasting, told }
  }
  const failure = new Failure('transient', 'RoleCredentialsFailed', 'no')

  test('without a source has no credentials here', async () => {
    const { roles } = rig()
    expect(roles.has(ROLE)).toBe(true)
    expect(roles.has(`${ROLE}2`)).toBe(false)
    await expect(roles.get(`${ROLE}2`, 'a')).rejects.toMatchObject({ code: 'NoSuchRole' })
  })

  // P341
  test('is asked for once by many, and again 15 minutes before its credentials run out', async () => {
    const { state, roles, lasting } = rig()
    state.answer = lasting(3600, 'first')
    const all = await Promise.all([roles.get(ROLE, 'a'), roles.get(ROLE, 'b')])
    expect(all.map(({ accessKeyId }) => accessKeyId)).toEqual(['first', 'first'])
    state.now += 44 * 60_000
    await roles.get(ROLE, 'a')
    expect(state.asked).toHaveLength(1)
    state.now += 2 * 60_000
    state.answer = lasting(3600, 'second')
    // Nobody waits for the new ones while the old ones are good.
    expect((await roles.get(ROLE, 'a')).accessKeyId).toBe('first')
    await expect.poll(async () => (await roles.get(ROLE, 'a')).accessKeyId).toBe('second')
    expect(state.asked).toHaveLength(2)
  })

  // P341
  test('whose source fails gives what is good until it runs out, and rests between askings', async () => {
    const { state, roles, lasting, told } = rig()
    state.answer = lasting(600)
    await roles.get(ROLE, 'a')
    state.now += 301_000
    state.answer = failure
    for (let n = 0; n < 10; n++) expect((await roles.get(ROLE, 'a')).accessKeyId).toBe('A')
    expect(state.asked).toHaveLength(2)
    // The operator hears of it while there is time.
    expect(told).toEqual([`${ROLE}: no`])
    state.now += 300_000
    await expect(roles.get(ROLE, 'a')).rejects.toBe(failure)
    await expect(roles.get(ROLE, 'a')).rejects.toBe(failure)
    expect(state.asked).toHaveLength(3)
    state.now += 6_000
    state.answer = lasting(600, 'again')
    expect((await roles.get(ROLE, 'a')).accessKeyId).toBe('again')
  })

  test('whose keys never run out is looked at again, for they may have been replaced', async () => {
    const { state, roles } = rig()
    state.answer = { accessKeyId: 'old', secretAccessKey: 'S' }
    await roles.get(ROLE, 'a')
    state.answer = { accessKeyId: 'new', secretAccessKey: 'S' }
    state.now += 299_000
    expect((await roles.get(ROLE, 'a')).accessKeyId).toBe('old')
    state.now += 2_000
    await expect.poll(async () => (await roles.get(ROLE, 'a')).accessKeyId).toBe('new')
  })

  test('that STS gives is asked for per task, so that CloudTrail tells them apart', async () => {
    const { state, roles, lasting } = rig('assumeRole')
    state.answer = lasting(3600)
    for (const task of ['a', 'b', 'a']) await roles.get(ROLE, task)
    expect(state.asked).toEqual(['a', 'b'])
  })
})
