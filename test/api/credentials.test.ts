// Goal: a task is given its own role's credentials, in ECS's words, and nobody else's; roles and what
// they fetch reach the spec, and no value of a credential reaches anything. Method: requests from
// inside namespaces, over a real state file and a fake agent.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RegisterTaskDefinitionCommand } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import type { Inspected } from '../../agent/orders.ts'
import { endpointId } from '../../state/endpoint-id.ts'
import type { Spec } from '../../state/spec.ts'
import { run, runOne } from './questions.ts'
import { nginx, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const ROLE = 'arn:aws:iam::123456789012:role/web'
const OTHER = 'arn:aws:iam::123456789012:role/other'
const EXPIRES = Date.UTC(2030, 0, 1)
const given = (name: string) => ({
  accessKeyId: `AKIA-${name}`,
  secretAccessKey: `secret-of-${name}`,
  token: `token-of-${name}`,
  expiresAt: EXPIRES,
})

const rig = useRig()
beforeEach(async () => {
  rig.orders.roles.set(ROLE, given('web')).set(OTHER, given('other'))
})

const define = (change: object, ...containers: Parameters<typeof seedDefinition>) =>
  rig.ecs.send(new RegisterTaskDefinitionCommand({ ...seedDefinition(...containers), ...change }))

async function begin(change: Parameters<typeof runOne>[1] = {}) {
  const id = (await runOne(rig, change)).split('/').at(-1) ?? ''
  const spec = rig.journal.get(id)?.holder.spec as Spec
  return { id, spec, netns: `/var/run/docker/netns/${id.slice(0, 8)}`, ...spec.roles }
}

const metrics = async () => await (await fetch(`${rig.url}/metrics`)).text()

describe('a task with a role', () => {
  beforeEach(async () => void (await define({ taskRoleArn: ROLE })))

  // P342
  test('is given its credentials in the words of ECS, by either path', async () => {
    const { netns, credentialsId } = await begin()
    const answer = {
      status: 200,
      body: {
        RoleArn: ROLE,
        AccessKeyId: 'AKIA-web',
        SecretAccessKey: 'secret-of-web',
        Token: 'token-of-web',
        Expiration: '2030-01-01T00:00:00.000Z',
      },
    }
    expect(await rig.fromInside(netns, `/v2/credentials/${credentialsId}`)).toEqual(answer)
    expect(await rig.fromInside(netns, `/v1/credentials?id=${credentialsId}`)).toEqual(answer)
    expect(await metrics()).toMatch(/^enid_task_credentials_total\{outcome="given"\} 2$/m)
  })

  // P343
  test('is refused the id of another task, and none, and what is no id; that is counted', async () => {
    const one = await begin()
    const two = await begin({ overrides: { taskRoleArn: 'other' } })
    expect(two.task).toBe(OTHER)
    expect(one.credentialsId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-/)
    const paths = [two.credentialsId, endpointId(one.id, 'nginx'), 'undefined', '..%2f']
    for (const path of paths) {
      const { status, body } = await rig.fromInside(one.netns, `/v2/credentials/${path}`)
      expect(status).toBe(400)
      expect(body).toMatchObject({ code: 'InvalidIdInRequest' })
      expect(JSON.stringify(body)).not.toMatch(/AKIA|secret-of/)
    }
    const nowhere = await rig.fromInside('/run/netns/x', `/v2/credentials/${one.credentialsId}`)
    expect(nowhere.status).toBe(400)
    expect(await metrics()).toMatch(/^enid_task_endpoint_refused_total 5$/m)
    const none = await rig.fromInside(one.netns, '/v1/credentials')
    expect(none).toMatchObject({ status: 400, body: { code: 'NoIdInRequest' } })
  })

  test('is told to come again where there are none now, and why', async () => {
    const { netns, credentialsId } = await begin()
    const failure = new Failure('transient', 'RoleCredentialsFailed', 'it ended with exit code 1')
    rig.orders.roles.set(ROLE, failure)
    const { status, body } = await rig.fromInside(netns, `/v2/credentials/${credentialsId}`)
    expect(status).toBe(503)
    expect(body).toMatchObject({ code: 'CredentialsUninitialized' })
    expect(JSON.stringify(body)).toContain('exit code 1')
    expect(await metrics()).toMatch(/^enid_task_credentials_total\{outcome="failed"\} 1$/m)
  })

  // P344
  test('leaves no credentials in the state file, the answers of the API or its metrics', async () => {
    const { netns, credentialsId, id } = await begin()
    await rig.fromInside(netns, `/v2/credentials/${credentialsId}`)
    const files = readdirSync(rig.folder).map((name) =>
      readFileSync(join(rig.folder, name), 'latin1'),
    )
    const answers = await Promise.all(
      ['/tasks', `/tasks/${id}`, '/status', '/metrics'].map(async (path) =>
        (await fetch(`${rig.url}${path}`)).text(),
      ),
    )
    expect(files.join()).toContain(credentialsId)
    expect([...files, ...answers].join()).not.toMatch(/AKIA-web|secret-of-web|token-of-web/)
  })
})

describe('a definition', () => {
  test('without a role gives a task no id to ask with', async () => {
    await define({})
    const { spec, netns } = await begin()
    expect(spec.roles).toBeUndefined()
    expect((await rig.fromInside(netns, '/v2/credentials/undefined')).status).toBe(400)
  })

  test('whose task role has no source here is registered, and refused when it is to run', async () => {
    await define({ taskRoleArn: `${ROLE}2`, executionRoleArn: 'execution' })
    await expect(run(rig)).rejects.toMatchObject({
      name: 'ClientException',
      message: expect.stringMatching(/^taskRoleArn: ECS was unable to assume the role .*rolesFile/),
    })
    expect(rig.journal.all()).toEqual([])
  })

  test('reaches the spec with its roles, secrets and files, each by what it is', async () => {
    const secret = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf'
    const container = nginx({
      secrets: [
        { name: 'A', valueFrom: `${secret}:key::v1` },
        { name: 'B', valueFrom: '/web/key' },
        { name: 'C', valueFrom: 'file:db/login.json:user' },
      ],
      environmentFiles: [
        { type: 's3', value: 'arn:aws:s3:::bucket/env/web.env' },
        { type: 's3', value: 'file:web.env' },
      ],
      logConfiguration: {
        logDriver: 'splunk',
        options: { 'splunk-url': 'https://splunk' },
        secretOptions: [{ name: 'splunk-token', valueFrom: 'splunk' }],
      },
    })
    await define({ executionRoleArn: 'team/execution' }, container).catch(() => {})
    await define({ executionRoleArn: 'execution' }, container)
    const { spec } = await begin()
    expect(spec.roles).toEqual({ execution: 'arn:aws:iam::123456789012:role/execution' })
    expect(spec.containers[0]).toMatchObject({
      secrets: [
        {
          name: 'A',
          from: {
            store: 'secretsmanager',
            secretId: secret,
            region: 'us-west-2',
            jsonKey: 'key',
            versionId: 'v1',
          },
        },
        { name: 'B', from: { store: 'ssm', parameter: '/web/key' } },
        { name: 'C', from: { store: 'file', path: 'db/login.json', jsonKey: 'user' } },
      ],
      environmentFiles: [
        { store: 's3', bucket: 'bucket', key: 'env/web.env' },
        { store: 'file', path: 'web.env' },
      ],
      log: {
        options: { 'splunk-url': 'https://splunk' },
        secretOptions: [{ name: 'splunk-token', from: { store: 'ssm', parameter: 'splunk' } }],
      },
    })
  })

  test('has its files replaced by those of an override, and no variable in place of a secret', async () => {
    const container = nginx({
      environmentFiles: [{ type: 's3', value: 'file:a.env' }],
      secrets: [{ name: 'A', valueFrom: 'a' }],
    })
    await define({}, container)
    const override = (change: object) => ({
      overrides: { containerOverrides: [{ name: 'nginx', ...change }] },
    })
    const files = [{ type: 's3' as const, value: 'file:b.env' }]
    const { spec } = await begin(override({ environmentFiles: files }))
    expect(spec.containers[0]?.environmentFiles).toEqual([{ store: 'file', path: 'b.env' }])
    const clash = override({ environment: [{ name: 'A', value: 'in the clear' }] })
    await expect(run(rig, clash)).rejects.toThrow(/secret name must be unique/)
  })
})

// P344
test('a log option that was fetched is not told to whoever asks for metadata', async () => {
  const logConfiguration = {
    logDriver: 'splunk' as const,
    options: { 'splunk-url': 'https://splunk' },
    secretOptions: [{ name: 'splunk-token', valueFrom: 'splunk' }],
  }
  await define({}, nginx({ logConfiguration }))
  const options = { 'splunk-url': 'https://splunk', 'splunk-token': 'hunter2' }
  const shown = {
    ...{ dockerId: 'd', dockerName: 'n', imageId: 'i', labels: {}, createdAt: 'c', mounts: [] },
    log: { driver: 'splunk', options },
  } satisfies Inspected
  rig.orders.inspect = async () => new Map([['nginx', shown]])
  const { id, netns } = await begin()
  const { body } = await rig.fromInside(netns, `/v4/${endpointId(id, 'nginx')}`)
  expect(body).toMatchObject({ LogOptions: { 'splunk-url': 'https://splunk' } })
  expect(JSON.stringify(body)).not.toContain('hunter2')
})
