// Goal: an image comes from where the host's pull behaviour says, with the login that its container,
// ECR or the host's file has, and the login is nowhere else. Method: the real dockerd, a real registry
// that wants a login, stand-ins of Secrets Manager and ECR over the real SDKs.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import { type Behaviour, imageDriver, type Pulled } from '../../agent/drivers/image.ts'
import { askEcr, ecrRegistryOf, openEcrTokens } from '../../agent/drivers/registry/ecr.ts'
import { hostOf, openRegistries } from '../../agent/drivers/registry/registry.ts'
import { openRoles } from '../../agent/drivers/roles/roles.ts'
import { openValues } from '../../agent/drivers/values/values.ts'
import { registrySecret } from '../../api/secret-spec.ts'
import { openDatabase } from '../../state/database.ts'
import { Images } from '../../state/images.ts'
import { container, job, never, spec } from './jobs.ts'
import { noImages } from './no-images.ts'
import { OwnRegistry } from './own-registry.ts'
import { docker, importTestImage, inspect } from './test-image.ts'

const run = promisify(execFile)
const registry = new OwnRegistry()
const folder = mkdtempSync(join(tmpdir(), 'enid-images-'))
const db = openDatabase(join(folder, 'enid.db'))
const images = new Images(db, Date.now)
const ARN = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:login-a1b2c3'
/** What Secrets Manager answers, by the id that it is asked for. */
const secrets: Record<string, string> = {}
const asked: string[] = []
/** The access key of each call. */
const askers: string[] = []
const pulls: Pulled[] = []

const aws = createServer(async (request, response) => {
  const chunks = await request.toArray()
  const action = String(request.headers['x-amz-target']).split('.')[1] ?? ''
  const body = JSON.parse(Buffer.concat(chunks).toString()) as { SecretId?: string }
  asked.push(`${action} ${body.SecretId ?? JSON.stringify(body)}`)
  askers.push(/Credential=([^/]+)/.exec(String(request.headers.authorization))?.[1] ?? 'nobody')
  const token = Buffer.from(`AWS:${registry.password}`).toString('base64')
  const known = secrets[body.SecretId ?? '']
  const answer =
    action === 'GetAuthorizationToken'
      ? {
          authorizationData: [{ authorizationToken: token, expiresAt: Date.now() / 1000 + 43_200 }],
        }
      : { SecretString: known }
  const isMissing = action !== 'GetAuthorizationToken' && known === undefined
  response.statusCode = isMissing ? 400 : 200
  response.setHeader('content-type', 'application/x-amz-json-1.1')
  const refusal = { __type: 'ResourceNotFoundException', message: "can't find the secret" }
  response.end(JSON.stringify(isMissing ? refusal : answer))
})

beforeAll(async () => {
  await registry.start()
  aws.listen(0, '127.0.0.1')
  await new Promise((resolve) => aws.once('listening', resolve))
  const endpoint = `http://127.0.0.1:${(aws.address() as AddressInfo).port}`
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint,
    AWS_ENDPOINT_URL_ECR: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  })
  secrets[ARN] = JSON.stringify({ username: registry.username, password: registry.password })
})
afterAll(async () => {
  aws.closeAllConnections()
  aws.close()
  db.close()
  rmSync(folder, { recursive: true })
  await registry.close()
})

type Login = { secret?: string; file?: string }

function driverOf(behaviour: Behaviour, { file }: Login = { file: registry.configFile }) {
  const region = 'us-west-2'
  const roles = openRoles({ sources: new Map(), region })
  const values = openValues({ roles, region, secretsDir: folder })
  const ecr = openEcrTokens(askEcr(roles))
  const registries = openRegistries({ values, roles, ecr, ...(file && { file }) })
  const onPull = (outcome: Pulled) => void pulls.push(outcome)
  const options = { ...noImages(behaviour), registries, images, onPull }
  return imageDriver({ docker: openDocker(), ...options })
}

/** What the row holds once it is ensured; the login is the file's unless told. */
function ensure(behaviour: Behaviour, image: string, login?: Login) {
  const wanted = container({
    image,
    ...(login?.secret && { repositorySecret: registrySecret(login.secret) }),
  })
  const wish = job('image:app', { spec: spec({ containers: [wanted] }) })
  return driverOf(behaviour, login).ensure(wish, never())
}

const failureOf = (pull: Promise<unknown>): Promise<Error & { code: string; hint: string }> =>
  pull.then(
    () => Promise.reject(new Error('it was pulled')),
    (error) => error,
  )

let count = 0
const newImage = async () => {
  const name = `team/app${count++}:1`
  return { name, image: `${registry.address}/${name}`, digest: await registry.push(name) }
}

// P360
test('default pulls each time, and takes what is here where that fails, saying why', async () => {
  const { name, image, digest } = await newImage()
  expect(await ensure('default', image)).toMatchObject({ digest })
  const moved = await registry.push(name)
  expect(moved).not.toBe(digest)
  expect(await ensure('default', image)).toMatchObject({ digest: moved })
  await registry.stop()
  pulls.length = 0
  const cached = await ensure('default', image)
  expect(cached).toMatchObject({ digest: moved })
  expect(cached.pullFailure).toMatch(/^CannotPullContainerError: .*connection refused/)
  expect(pulls).toEqual(['cached'])
  await registry.start()
})

// P360
test('default takes what is here as well where whoever gives the login does not answer', async () => {
  const image = '123456789012.dkr.ecr.us-west-2.amazonaws.com/app:1'
  const local = await importTestImage()
  await docker('tag', local, image)
  const endpoint = process.env.AWS_ENDPOINT_URL_ECR
  process.env.AWS_ENDPOINT_URL_ECR = 'http://127.0.0.1:1'
  try {
    const { pullFailure } = await ensure('default', image, {})
    expect(pullFailure).toMatch(/^CannotPullECRContainerError: ECR of 123456789012 .*ECONNREFUSED/)
    const failure = await failureOf(ensure('always', image, {}))
    expect(failure).toMatchObject({ kind: 'transient', code: 'CannotPullECRContainerError' })
  } finally {
    process.env.AWS_ENDPOINT_URL_ECR = endpoint
    await docker('rmi', image, local)
  }
})

// P360
test('always pulls each time, and takes nothing else', async () => {
  const { name, image, digest } = await newImage()
  expect(await ensure('always', image)).toMatchObject({ digest })
  const moved = await registry.push(name)
  expect(await ensure('always', image)).toMatchObject({ digest: moved })
  await registry.stop()
  const error = await failureOf(ensure('always', image))
  expect(error).toMatchObject({ kind: 'refused', code: 'CannotPullContainerError' })
  await registry.start()
})

// P360
test('once pulls what no task here has pulled, though it is here, and then not again', async () => {
  const { name, image, digest } = await newImage()
  await docker('--config', registry.folder, 'pull', image)
  const moved = await registry.push(name)
  expect(moved).not.toBe(digest)
  expect(await ensure('once', image)).toMatchObject({ digest: moved })
  await registry.push(name)
  expect(await ensure('once', image)).toMatchObject({ digest: moved })
  // Removed by somebody: it is pulled again.
  await docker('rmi', image)
  await registry.stop()
  expect(await failureOf(ensure('once', image))).toMatchObject({ kind: 'refused' })
  await registry.start()
})

// P360
test('prefer-cached pulls only what is not here, whoever brought it', async () => {
  const { name, image, digest } = await newImage()
  expect(await ensure('prefer-cached', image)).toMatchObject({ digest })
  await registry.push(name)
  expect(await ensure('prefer-cached', image)).toMatchObject({ digest })
})

test('what is remembered as ours is what a pull of ours brought', async () => {
  const { image } = await newImage()
  await docker('--config', registry.folder, 'pull', image)
  await ensure('default', image)
  const found = () => images.all().filter(({ reference }) => reference === image)
  expect(found()).toMatchObject([{ isOurs: false }])
  await docker('rmi', image)
  const { imageId } = await ensure('default', image)
  expect(found()).toMatchObject([{ imageId, isOurs: true }])
  expect(imageId).toBe((await inspect<{ Id: string }>(image)).Id)
  // Pulled once more and found unchanged, it is ours all the same.
  await ensure('default', image)
  expect(found()).toMatchObject([{ isOurs: true }])
})

// P361
test('the login of a container is its secret’s, of Secrets Manager', async () => {
  const { image, digest } = await newImage()
  expect(await ensure('always', image, { secret: ARN })).toMatchObject({ digest })
  expect(asked).toContain(`GetSecretValue ${ARN}`)
})

// P361
test('for a host without AWS the login is in a file below its directory of secrets', async () => {
  const { image, digest } = await newImage()
  const { username, password } = registry
  writeFileSync(join(folder, 'login.json'), JSON.stringify({ username, password }))
  expect(await ensure('always', image, { secret: 'file:login.json' })).toMatchObject({ digest })
})

// P361
test('without a login, or with a wrong one, the registry’s refusal is told, and nothing of the login', async () => {
  const { image } = await newImage()
  const none = await failureOf(ensure('always', image, {}))
  expect(none).toMatchObject({ kind: 'refused', code: 'CannotPullContainerError' })
  expect(none.message).toMatch(/no basic auth credentials|unauthorized/)
  expect(none.hint).toContain('repositoryCredentials')
  secrets.wrong = JSON.stringify({ username: registry.username, password: 'wrong-password' })
  const wrong = await failureOf(ensure('always', image, { secret: 'wrong' }))
  expect(wrong.message).toMatch(/unauthorized/)
  expect(JSON.stringify(wrong, Object.getOwnPropertyNames(wrong))).not.toContain('wrong-password')
})

// P361
test.each([
  ['', 'does not hold a login'],
  ['secret-text', 'does not hold a login'],
  ['{"username": "puller", "password": secret-text}', 'does not hold a login'],
  ['{"username": "secret-text"}', 'does not hold a login'],
  ['["secret-text"]', 'does not hold a login'],
])('a secret that holds %j is refused without its words', async (text, words) => {
  secrets.bad = text
  const error = await failureOf(ensure('always', 'registry.example/app:1', { secret: 'bad' }))
  expect(error).toMatchObject({ kind: 'refused', code: 'CannotPullContainerAuthError' })
  expect(error.message).toContain(words)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret-text')
})

test('a secret that is not there is refused with the words of Secrets Manager', async () => {
  const error = await failureOf(ensure('always', 'registry.example/app:1', { secret: 'gone' }))
  expect(error).toMatchObject({ kind: 'refused', code: 'CannotPullContainerAuthError' })
  expect(error.message).toMatch(/^secret gone: ResourceNotFoundException: can't find the secret/)
})

// P361
test.each([
  ['dockercfg', (auth: object) => auth],
  ['config.json', (auth: object) => ({ auths: auth })],
])('a file in the form of %s logs in', async (_form, content) => {
  const { image, digest } = await newImage()
  const file = join(folder, 'auth.json')
  const { username, password } = registry
  writeFileSync(
    file,
    JSON.stringify(content({ [`http://${registry.address}/v2/`]: { username, password } })),
  )
  expect(await ensure('always', image, { file })).toMatchObject({ digest })
})

test.each([
  ['pw-secret', /holds no JSON object/],
  ['{"auths": {"registry.example": {"auth": "pw-secret"}}}', /holds no login for registry.example/],
  [
    '{"credHelpers": {"registry.example": "pw-secret"}}',
    /credential helper, and no program is run/,
  ],
  ['{"credsStore": "pw-secret"}', /credential helper/],
])('a file that holds %s is refused without its words', async (text, words) => {
  const file = join(folder, 'bad.json')
  writeFileSync(file, text)
  const error = await failureOf(ensure('always', 'registry.example/app:1', { file }))
  expect(error).toMatchObject({ kind: 'refused', code: 'CannotPullContainerAuthError' })
  expect(error.message).toMatch(words)
  expect(error.message).not.toContain('pw-secret')
})

// P362
test('an image of ECR is pulled with a token of its registry, asked for once for all', async () => {
  const host = '123456789012.dkr.ecr.us-west-2.amazonaws.com'
  const ecr = new OwnRegistry({ username: 'AWS', password: registry.password })
  const hosts = join(folder, 'hosts')
  writeFileSync(hosts, `127.0.0.1 localhost ${host}\n`)
  // Docker asks an insecure registry (one on loopback) at port 80, and finds it by the host's names.
  await run('mount', ['--bind', hosts, '/etc/hosts'])
  try {
    await ecr.start(80)
    const digests = await Promise.all([ecr.push('one:1'), ecr.push('two:1')])
    asked.length = 0
    const driver = driverOf('always', {})
    const wishes = ['one', 'two'].map((name) => {
      const containers = [container({ image: `${host}/${name}:1` })]
      return driver.ensure(job('image:app', { spec: spec({ containers }) }), never())
    })
    const pulled = await Promise.all(wishes)
    expect(pulled.map(({ digest }) => digest)).toEqual(digests)
    expect(asked).toEqual(['GetAuthorizationToken {"registryIds":["123456789012"]}'])
  } finally {
    await ecr.close()
    await run('umount', ['/etc/hosts'])
  }
})

// P362
test('a token is the execution role’s where the host has a source of it, and shared with no other role', async () => {
  const has = (role: string) => role.startsWith('role/known')
  const keysOf = (role: string) => ({ accessKeyId: `KEY-${role.slice(5)}`, secretAccessKey: 'x' })
  const roles = { has, get: async (role: string) => keysOf(role) }
  const values = { secret: () => Promise.reject(new Error('there is no secret')) }
  const { authOf, userOf } = openRegistries({ roles, values, ecr: openEcrTokens(askEcr(roles)) })
  const wanted = (execution?: string) => ({
    image: '123456789012.dkr.ecr.us-west-2.amazonaws.com/app:1',
    task: spec(execution === undefined ? {} : { roles: { execution } }),
  })
  askers.length = 0
  const all = ['role/known-a', 'role/known-b', 'role/known-a', 'role/unknown', undefined]
  for (const role of all) {
    const auth = await authOf(wanted(role), never())
    expect(auth).toEqual({ username: 'AWS', password: registry.password })
  }
  expect(askers).toEqual(['KEY-known-a', 'KEY-known-b', 'test'])
  expect(new Set(all.map((role) => userOf(wanted(role)))).size).toBe(3)
})

// P362
test('a token is kept until shortly before it expires, and not once the registry has refused it', async () => {
  let now = 1_000_000
  let failing = false
  const calls: string[] = []
  const tokens = openEcrTokens(
    async ({ registryId, region }) => {
      calls.push(`${registryId} ${region}`)
      if (failing)
        throw Object.assign(new Error('no'), {
          name: 'AccessDeniedException',
          $metadata: { httpStatusCode: 400 },
        })
      const authorizationToken = Buffer.from(`AWS:token-${calls.length}`).toString('base64')
      const data = { authorizationToken, expiresAt: new Date(now + 43_200_000) }
      return { authorizationData: [data], $metadata: {} }
    },
    () => now,
  )
  const west = { registryId: '123456789012', region: 'us-west-2' }
  const ask = (of = west) => tokens.tokenOf(of, never())
  const first = { username: 'AWS', password: 'token-1' }
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([first, first, first])
  now += 42_000_000
  expect(await ask()).toEqual(first)
  expect(await ask({ ...west, region: 'eu-west-1' })).toMatchObject({ password: 'token-2' })
  now += 1_000_000
  expect(await ask()).toMatchObject({ password: 'token-3' })
  tokens.forget(west)
  failing = true
  const refusal = await failureOf(ask())
  expect(refusal).toMatchObject({ kind: 'refused', code: 'CannotPullECRContainerError' })
  expect(refusal.message).toBe('ECR of 123456789012 in us-west-2: AccessDeniedException: no')
  failing = false
  expect(await ask()).toMatchObject({ password: 'token-5' })
})

test.each([
  ['123456789012.dkr.ecr.us-west-2.amazonaws.com/app:1', 'us-west-2'],
  ['123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/app', 'cn-north-1'],
  ['123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/app@sha256:aa', 'us-gov-west-1'],
  ['123456789012.dkr-ecr.us-east-1.on.aws/app', 'us-east-1'],
  ['public.ecr.aws/nginx/nginx:1', undefined],
  ['nginx', undefined],
  ['evil.example/123456789012.dkr.ecr.us-west-2.amazonaws.com/app', undefined],
  ['123456789012.dkr.ecr.us-west-2.amazonaws.com.evil.example/app', undefined],
])('%s is of the ECR of %s', (image, region) => {
  expect(ecrRegistryOf(image)?.region).toBe(region)
})

test.each([
  ['nginx', 'https://index.docker.io/v1/'],
  ['team/app:1', 'https://index.docker.io/v1/'],
  ['docker.io/library/nginx', 'https://index.docker.io/v1/'],
  ['localhost/app', 'localhost'],
  ['registry.example/team/app@sha256:aa', 'registry.example'],
  ['127.0.0.1:5000/app:1', '127.0.0.1:5000'],
])('%s is in the registry %s', (image, host) => {
  expect(hostOf(image)).toBe(host)
})
