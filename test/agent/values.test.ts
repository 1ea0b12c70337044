// Goal: secrets and environment files are fetched from where the definition says, with the right
// credentials, and a failure names the place and the remedy, never a value. Method: AWS's own SDKs
// against stand-ins on loopback, and a directory of the test's.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EnvironmentFile, Secret } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { credentialsFrom } from '../../agent/drivers/roles/credentials.ts'
import type { Roles } from '../../agent/drivers/roles/roles.ts'
import { openRoles } from '../../agent/drivers/roles/roles.ts'
import { variablesIn } from '../../agent/drivers/values/environment-file.ts'
import { openValues, type Values, withoutValues } from '../../agent/drivers/values/values.ts'
import { Failure } from '../../agent/failure.ts'
import { fetchedSpecs, secretSpecs } from '../../api/secret-spec.ts'
import type { ContainerSpec, Spec } from '../../state/spec.ts'
import { container, spec } from '../state/specs.ts'
import { openStores, type Stores } from './secret-stores.ts'

const SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf'
const ROLE = 'arn:aws:iam::123456789012:role/execution'
const signal = new AbortController().signal

let stores: Stores
let roles: Roles
let values: Values
let folder = ''

beforeAll(async () => {
  stores = await openStores()
  folder = mkdtempSync(join(tmpdir(), 'enid-values-'))
  mkdirSync(join(folder, 'secrets/db'), { recursive: true })
  for (const service of ['SSM', 'SECRETS_MANAGER', 'S3', 'STS']) {
    vi.stubEnv(`AWS_ENDPOINT_URL_${service}`, stores.url)
  }
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AGENT')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'agents-own')
  const lab = { kind: 'static', accessKeyId: 'EXECUTION', secretAccessKey: 'x' } as const
  roles = openRoles({ sources: new Map([[ROLE, lab]]), region: 'us-west-2' })
  values = openValues({ roles, region: 'us-west-2', secretsDir: join(folder, 'secrets') })
})
beforeEach(() => {
  stores.answers.clear()
  stores.asked.length = 0
})
afterAll(async () => {
  values.close()
  await stores.close()
  rmSync(folder, { recursive: true })
  vi.unstubAllEnvs()
})

const put = (path: string, text: string) => writeFileSync(join(folder, 'secrets', path), text)
const ofContainer = (change: Partial<ContainerSpec>): ContainerSpec => container('app', {}, change)

const fetchSecrets = async (secrets: Secret[], task: Partial<Spec> = {}) =>
  (await values.fetch(spec(task), ofContainer({ secrets: secretSpecs(secrets) }), signal)).secrets

const files = (...names: string[]): EnvironmentFile[] =>
  names.map((value) => ({ value, type: 's3' }))

async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof Failure) return error
  throw error ?? new Error('it did not fail')
}

describe('a secret', () => {
  // P345
  test('is a parameter by name or ARN, a secret with its member and version, or a file', async () => {
    const parameter = 'arn:aws:ssm:us-east-1:123456789012:parameter/web/key'
    stores.answers
      .set('/web/key', 'by name')
      .set(parameter, 'by ARN')
      .set(SECRET, '{"password":"p","port":5432,"list":[1]}')
      .set(`${SECRET}|AWSPREVIOUS|`, '{"password":"older"}')
      .set(`${SECRET}||v1`, 'whole\nof it\n')
    put('token', 'from a file\n')
    put('db/login.json', '{"user":"u=v"}')
    const from = {
      A: '/web/key',
      B: parameter,
      C: `${SECRET}:password::`,
      D: `${SECRET}:port::`,
      E: `${SECRET}:list::`,
      F: `${SECRET}:password:AWSPREVIOUS:`,
      G: `${SECRET}:::v1`,
      H: 'file:token',
      I: 'file:db/login.json:user',
    }
    const secrets = Object.entries(from).map(([name, valueFrom]) => ({ name, valueFrom }))
    expect(await fetchSecrets(secrets)).toEqual({
      A: 'by name',
      B: 'by ARN',
      C: 'p',
      D: '5432',
      E: '[1]',
      F: 'older',
      G: 'whole\nof it\n',
      H: 'from a file',
      I: 'u=v',
    })
    // Members of one secret are one question.
    expect(stores.asked.filter(({ what }) => what === SECRET)).toHaveLength(1)
  })

  // P346
  test('is asked for with the execution role where there is a source of it, else by the agent', async () => {
    stores.answers.set('key', 'v').set(SECRET, 's')
    const secrets = [
      { name: 'A', valueFrom: 'key' },
      { name: 'B', valueFrom: SECRET },
    ]
    await fetchSecrets(secrets, { roles: { execution: ROLE } })
    expect(stores.asked.map(({ key }) => key)).toEqual(['EXECUTION', 'EXECUTION'])
    stores.asked.length = 0
    await fetchSecrets(secrets, { roles: { execution: `${ROLE}-without-source` } })
    expect(stores.asked.map(({ key }) => key)).toEqual(['AGENT', 'AGENT'])
  })

  test('of a log option is fetched alike', async () => {
    stores.answers.set('splunk', 'token')
    const secretOptions = secretSpecs([{ name: 'splunk-token', valueFrom: 'splunk' }])
    const log = { driver: 'splunk', options: {}, secretOptions }
    const { logOptions } = await values.fetch(spec(), ofContainer({ log }), signal)
    expect(logOptions).toEqual({ 'splunk-token': 'token' })
  })

  // P347
  test.each<[string, string, Failure['kind'], RegExp]>([
    ['a parameter that is not there', 'none', 'refused', /SSM parameter none: invalid parameters/],
    [
      'one that may not be read',
      'denied',
      'refused',
      /AccessDeniedException: no \(request request-1/,
    ],
    ['a secret that is not there', SECRET, 'refused', /ResourceNotFoundException/],
    ['a place that is busy', 'busy', 'transient', /ThrottlingException/],
    ['a place that is broken', 'broken', 'transient', /InternalServerError/],
    [
      'a member that is not there',
      'file:db/odd.json:port',
      'refused',
      /did not contain json key port/,
    ],
    ['what is no JSON', 'file:plain:port', 'refused', /it is not JSON/],
    ['a file that is not there', 'file:nothing', 'refused', /nothing is not there/],
    ['a way out', 'file:out', 'refused', /out leads out of/],
  ])('from %s is refused or waited for by ECS’s word, and nothing of it said', async (...row) => {
    const [, valueFrom, kind, why] = row
    stores.answers
      .set('denied', { status: 400, code: 'AccessDeniedException' })
      .set('busy', { status: 400, code: 'ThrottlingException' })
      .set('broken', { status: 500, code: 'InternalServerError' })
    put('db/odd.json', '{"hunter2":"hunter2"}')
    put('plain', 'hunter2')
    rmSync(join(folder, 'secrets/out'), { force: true })
    writeFileSync(join(folder, 'outside'), 'hunter2')
    symlinkSync(join(folder, 'outside'), join(folder, 'secrets/out'))
    const failure = await failureOf(fetchSecrets([{ name: 'PASSWORD', valueFrom }]))
    expect(failure).toMatchObject({ kind, code: 'ResourceInitializationError' })
    expect(failure.message).toMatch(
      /^unable to pull secrets or registry auth: PASSWORD of container app: /,
    )
    expect(failure.message).toMatch(why)
    expect(JSON.stringify([failure.message, failure.hint, failure.cause])).not.toMatch(/hunter2/)
  })

  test('of a place that is away is waited for', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_SSM', 'http://127.0.0.1:1')
    const own = openValues({ roles, region: 'us-west-2', secretsDir: folder })
    const secrets = secretSpecs([{ name: 'A', valueFrom: 'a' }])
    const failure = await failureOf(own.fetch(spec(), ofContainer({ secrets }), signal))
    vi.stubEnv('AWS_ENDPOINT_URL_SSM', stores.url)
    own.close()
    expect(failure).toMatchObject({ kind: 'transient', code: 'ResourceInitializationError' })
  })
})

describe('a file of variables', () => {
  // P348
  test('is read as ECS reads it', () => {
    const lines = [
      '# comment=no',
      '#A=no',
      'A=1',
      'B = "two words" ',
      'C=a=b#c',
      '',
      'no equals sign',
      '=no name',
      'EMPTY=',
      ' D=leading',
      'CR=ends\r',
      'A=the last of one file',
      'NUL=a\0b',
      'LAST=without end of line',
    ]
    expect(variablesIn(lines.join('\n'))).toEqual({
      A: 'the last of one file',
      'B ': ' "two words" ',
      C: 'a=b#c',
      ' D': 'leading',
      CR: 'ends',
      LAST: 'without end of line',
    })
  })

  // P348
  test('is of S3 or of the host; the first one wins', async () => {
    stores.answers.set('/bucket/env/a.env', 'A=first\nB=s3')
    put('b.env', 'A=second\nC=host')
    const environmentFiles = files('arn:aws:s3:::bucket/env/a.env', 'file:b.env')
    const of = ofContainer(fetchedSpecs({ environmentFiles }))
    const { fromFiles } = await values.fetch(spec(), of, signal)
    expect(fromFiles).toEqual({ A: 'first', B: 's3', C: 'host' })
  })

  // P348
  test.each<[string, string, RegExp]>([
    ['is not there', 'arn:aws:s3:::bucket/none.env', /s3:\/\/bucket\/none\.env: NoSuchKey/],
    ['is too large', 'arn:aws:s3:::bucket/large.env', /more than 1048576 bytes/],
    ['of the host is too large', 'file:large.env', /1048578 bytes; at most 1048576/],
  ])('that %s is refused', async (_what, name, why) => {
    const large = `A=${'x'.repeat(1 << 20)}`
    stores.answers.set('/bucket/large.env', large)
    put('large.env', large)
    const of = ofContainer(fetchedSpecs({ environmentFiles: files(name) }))
    const failure = await failureOf(values.fetch(spec(), of, signal))
    expect(failure).toMatchObject({ kind: 'refused', code: 'ResourceInitializationError' })
    expect(failure.message).toMatch(/^failed to download env files of container app: /)
    expect(failure.message).toMatch(why)
  })
})

test('a text is rid of every value, also of one within another', () => {
  const fetched = { fromFiles: { A: 'ab' }, secrets: { B: 'abc', C: '' }, logOptions: { D: '.*' } }
  expect(withoutValues('Docker: abc, ab and .* are bad', fetched)).toBe(
    'Docker: …, … and … are bad',
  )
})

test('a text is rid of a value of many lines, whether quoted, cut or whole', () => {
  const secrets = { KEY: '-----BEGIN-----\nMIIE"x\n-----END-----\n' }
  const fetched = { fromFiles: {}, secrets, logOptions: {} }
  const quoted = JSON.stringify(secrets.KEY)
  for (const shown of [secrets.KEY, quoted, 'MIIE"x', 'BEGIN-----\nMIIE"x\n---']) {
    expect(withoutValues(`no: ${shown}`, fetched)).not.toMatch(/MIIE.*x/)
  }
})

// P340
test('STS is asked for a role with the agent’s own credentials, in the name of the task', async () => {
  const asking = { role: ROLE, session: 'f'.repeat(32), region: 'us-west-2' }
  const { expiresAt, ...keys } = await credentialsFrom({ kind: 'assumeRole' }, asking)
  expect(keys).toEqual({ accessKeyId: 'ASIA', secretAccessKey: 'S', sessionToken: 'T' })
  expect(expiresAt).toBeGreaterThan(Date.now())
  expect(stores.asked).toEqual([{ what: `${ROLE} ${'f'.repeat(32)}`, key: 'AGENT' }])
})
