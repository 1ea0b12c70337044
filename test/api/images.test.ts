// Goal: what a definition or a RunTask says of images and of power over the host reaches the spec, is
// shown as ECS shows it, or is refused by name. Method: the rules and the map, and the real SDK.

import { beforeEach, describe, expect, test } from 'vitest'
import { checkDefinition } from '../../api/definition.ts'
import { containerSpec } from '../../api/task-spec.ts'
import { describeOne, register, run, runOne } from './questions.ts'
import { nginx, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const host = { architecture: 'X86_64', privileged: false } as const
const ARN = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:dev/login-a1b2c3'

const rig = useRig()

describe('a login to a registry', () => {
  test.each([ARN, 'dev/login'])(
    'is the secret %s, which the journal names and does not hold',
    (name) => {
      const container = nginx({ repositoryCredentials: { credentialsParameter: name } })
      checkDefinition(seedDefinition(container), host)
      const from = { store: 'secretsmanager', secretId: name }
      expect(containerSpec(container)).toMatchObject({ repositorySecret: from })
    },
  )

  test.each([
    ['', /containerDefinitions\[0\]\.repositoryCredentials\.credentialsParameter: is required/],
    ['arn:aws:ssm:us-west-2:123456789012:parameter/x', /whole secret of Secrets Manager/],
    [`${ARN}:password::`, /whole secret of Secrets Manager/],
    ['file:../x', /without \. or \.\./],
    ['two words', /ARN or the name of a secret/],
  ])('that is %j is refused by name', (name, message) => {
    const container = nginx({ repositoryCredentials: { credentialsParameter: name } })
    expect(() => checkDefinition(seedDefinition(container), host)).toThrow(message)
  })
})

describe('a privileged container', () => {
  const definition = seedDefinition(nginx({ privileged: true }))

  // P366
  test('is refused with the rule and the remedy', () => {
    expect(() => checkDefinition(definition, host)).toThrow(
      /containerDefinitions\[0\]\.privileged: .*root on this host.*ENID_PRIVILEGED=true/,
    )
  })

  // P366
  test('is taken where the host allows it', () => {
    checkDefinition(definition, { ...host, privileged: true })
    expect(containerSpec(nginx({ privileged: true }))).toMatchObject({ privileged: true })
    expect(containerSpec(nginx({ privileged: false }))).not.toHaveProperty('privileged')
  })
})

describe('a capability that could take the metadata block away', () => {
  const asking = (...add: string[]) =>
    seedDefinition(nginx({ linuxParameters: { capabilities: { add } } }))

  // P500
  test('is taken where the host allows that very one', () => {
    checkDefinition(asking('NET_ADMIN', 'NET_RAW'), { ...host, netAdmin: true })
    expect(() => checkDefinition(asking('SYS_ADMIN'), { ...host, netAdmin: true })).toThrow(
      /capabilities\.add\[0\]: SYS_ADMIN could take .* ENID_PRIVILEGED=true/,
    )
    checkDefinition(asking('SYS_ADMIN', 'ALL', 'NET_ADMIN'), { ...host, privileged: true })
  })
})

describe('overrides', () => {
  beforeEach(async () => void (await register(rig)))

  // P365
  test('are shown whole, with every container of the task, as ECS shows them', async () => {
    const override = { name: 'nginx', command: ['x'], memoryReservation: 128 }
    const overrides = { containerOverrides: [override], ephemeralStorage: { sizeInGiB: 30 } }
    const arn = await runOne(rig, { overrides })
    expect((await describeOne(rig, arn)).overrides).toEqual({
      ...overrides,
      inferenceAcceleratorOverrides: [],
    })
    const plain = await describeOne(rig, await runOne(rig, {}))
    expect(plain.overrides).toEqual({
      containerOverrides: [{ name: 'nginx' }],
      inferenceAcceleratorOverrides: [],
    })
  })

  // P365
  test.each([
    [
      'resourceRequirements',
      { resourceRequirements: [{ type: 'GPU' as const, value: '1' }] },
      /GPU/,
    ],
  ])('of %s are refused by name', async (name, change, remedy) => {
    const asked = run(rig, { overrides: { containerOverrides: [{ name: 'nginx', ...change }] } })
    const error = await asked.catch((thrown) => thrown)
    expect(error.message).toContain(`overrides.containerOverrides[0].${name}`)
    expect(error.message).toMatch(remedy)
  })
})

// P363
test('status and metrics tell of pulls and of the clean-up', async () => {
  const status = (await (await fetch(`${rig.url}/status`)).json()) as { images: object }
  expect(status.images).toMatchObject({
    pullBehavior: 'default',
    pulls: { pulled: 3, failed: 1, cached: 2 },
    cleanup: { isOn: true, removedCount: 5 },
  })
  const metrics = await (await fetch(`${rig.url}/metrics`)).text()
  expect(metrics).toContain('enid_image_pulls_total{outcome="cached"} 2')
  expect(metrics).toContain('enid_images_removed_total 5')
  expect(metrics).toContain('enid_images_known 4')
})
