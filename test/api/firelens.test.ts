// Goal: a log router gets the file that ECS would write for it, the others are sent to it, and what
// cannot work, or could write a section of its own, is refused by name. Method: the map and the rules.

import type { ContainerDefinition, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import { describe, expect, test } from 'vitest'
import { checkDefinition } from '../../api/definition.ts'
import { withRouter } from '../../api/firelens-spec.ts'
import { containerSpec } from '../../api/task-spec.ts'
import { rows } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { nginx, seedDefinition } from './rig.ts'

const host = { architecture: 'X86_64', privileged: false } as const
const METADATA = {
  ecs_cluster: 'default',
  ecs_task_arn: 'arn:aws:ecs:us-west-2:123456789012:task/default/{task-id}',
  ecs_task_definition: 'web:3',
  ec2_instance_id: 'i-0123456789abcdef0',
}

type Change = Partial<ContainerDefinition>
const router = (firelens: object = { type: 'fluentbit' }, change: Change = {}) =>
  nginx({
    ...{ name: 'router', portMappings: [], ...change },
    firelensConfiguration: firelens as NonNullable<ContainerDefinition['firelensConfiguration']>,
  })
const app = (options: Record<string, string> = {}, change: Change = {}) =>
  nginx({ name: 'app', logConfiguration: { logDriver: 'awsfirelens', options }, ...change })

function planned(...containers: ContainerDefinition[]) {
  const parts = { containers: containers.map((one) => containerSpec(one)), volumes: [] }
  return withRouter(parts, containers, METADATA)
}

function textOf(...containers: ContainerDefinition[]): string {
  const [volume] = planned(...containers).volumes
  const [file] = volume?.kind === 'router' ? volume.files : []
  return file !== undefined && 'text' in file ? file.text : ''
}

const OUTPUT = {
  'exclude-pattern': '^GET /health',
  'include-pattern': 'GET',
  'log-driver-buffer-limit': '1048576',
  region: 'us-west-2',
}

// P370
test('fluent-bit is told what ECS tells it', () => {
  expect(textOf(app({ Name: 'kinesis', ...OUTPUT }), router())).toBe(`[INPUT]
    Name forward
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 24224

[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877

[FILTER]
    Name grep
    Match app-firelens*
    Regex log GET

[FILTER]
    Name grep
    Match app-firelens*
    Exclude log ^GET /health

[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster default
    Record ecs_task_arn arn:aws:ecs:us-west-2:123456789012:task/default/{task-id}
    Record ecs_task_definition web:3
    Record ec2_instance_id i-0123456789abcdef0

[OUTPUT]
    Name null
    Match firelens-healthcheck

[OUTPUT]
    Name kinesis
    Match app-firelens*
    region us-west-2
`)
})

// P370
test('fluentd is told what ECS tells it', () => {
  const options = {
    'enable-ecs-log-metadata': 'false',
    'config-file-type': 'file',
    'config-file-value': '/extra.conf',
  }
  const told = textOf(app({ '@type': 'kinesis', ...OUTPUT }), router({ type: 'fluentd', options }))
  expect(told).toBe(`<source>
    @type unix
    path /var/run/fluent.sock
</source>

<source>
    @type forward
    bind 127.0.0.1
    port 24224
</source>

<filter app-firelens**>
    @type grep
    <regexp>
        key log
        pattern GET
    </regexp>
</filter>

<filter app-firelens**>
    @type grep
    <exclude>
        key log
        pattern ^GET /health
    </exclude>
</filter>

@include /extra.conf

<match app-firelens**>
    @type kinesis
    region us-west-2
</match>
`)
  expect(textOf(app(), router({ type: 'fluentd' }))).toContain(`<filter **>
    @type record_transformer
    <record>
        ecs_cluster default
`)
})

test('a file of S3 is fetched, mounted beside the router’s own, and read after the filters', () => {
  const options = { 'config-file-type': 's3', 'config-file-value': 'arn:aws:s3:::bucket/a/b.conf' }
  const { volumes, containers } = planned(router({ type: 'fluentd', options }))
  const [volume] = volumes
  expect(volume?.kind === 'router' && volume.files.slice(1)).toEqual([
    { name: 'external.conf', from: { store: 's3', bucket: 'bucket', key: 'a/b.conf' } },
  ])
  expect(containers[0]?.mounts).toContainEqual({
    ...{ volume: '~firelens', part: 'external.conf', readOnly: true },
    path: '/fluentd/etc/external.conf',
  })
  expect(textOf(router({ type: 'fluentd', options }))).toContain(
    '@include /fluentd/etc/external.conf',
  )
})

// P370
test('what is secret of an output is a variable of the router, by ECS’s name, and in no file', () => {
  const valueFrom = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:key-a1b2c3'
  const options = { Name: 'datadog', '@type': 'datadog' }
  const log = { secretOptions: [{ name: 'apikey', valueFrom }], options }
  const secret = nginx({
    ...{ name: 'app', logConfiguration: { logDriver: 'awsfirelens' as const, ...log } },
  })
  const { containers } = planned(router(), secret)
  expect(containers[0]?.secrets).toEqual([
    {
      name: 'apikey_1',
      from: { store: 'secretsmanager', secretId: valueFrom, region: 'us-west-2' },
    },
  ])
  expect(containers[1]).not.toHaveProperty('secrets')
  expect(containers[1]?.log).not.toHaveProperty('secretOptions')
  // biome-ignore lint/suspicious/noTemplateCurlyInString: fluent-bit puts it in.
  expect(textOf(router(), secret)).toContain('apikey ${apikey_1}\n')
  const told = textOf(router({ type: 'fluentd' }), secret)
  expect(told).toContain(`apikey "#{ENV['apikey_1']}"\n`)
  checkDefinition(seedDefinition(router(), secret) as RegisterTaskDefinitionRequest, host)
})

test('a container without options has no output: the router’s own file says where to', () => {
  const told = textOf(app(), router({ type: 'fluentbit' }))
  expect(told.match(/\[OUTPUT\]/g)).toHaveLength(1)
})

describe('the containers of the task', () => {
  // P370
  test('are sent to the router’s socket and start after it; the router mounts its file and the socket', () => {
    const { containers, volumes } = planned(
      app(OUTPUT, { dependsOn: [{ containerName: 'db', condition: 'HEALTHY' }] }),
      nginx({ name: 'db' }),
      router(),
    )
    const [routed, other, itself] = containers
    expect(routed).toMatchObject({
      environment: { FLUENT_HOST: '127.0.0.1', FLUENT_PORT: '24224' },
      log: {
        driver: 'fluentd',
        options: {
          tag: 'app-firelens-{task-id}',
          'fluentd-async': 'true',
          'fluentd-sub-second-precision': 'true',
          'fluentd-buffer-limit': '1048576',
        },
        router: '~firelens',
      },
      dependsOn: [
        { container: 'db', condition: 'HEALTHY' },
        { container: 'router', condition: 'START' },
      ],
    })
    expect(other).not.toHaveProperty('log')
    expect(other?.environment).toEqual({})
    expect(itself?.mounts).toEqual([
      {
        ...{ volume: '~firelens', part: 'fluent-bit.conf', readOnly: true },
        path: '/fluent-bit/etc/fluent-bit.conf',
      },
      { volume: '~firelens', part: 'socket', path: '/var/run', readOnly: false },
    ])
    const all = rows(spec({ containers: [...containers], volumes: [...volumes] }))
    const standing = all.filter(({ needs }) => needs.some(({ row }) => row === 'volume:~firelens'))
    expect(standing.map(({ id }) => id)).toEqual(['container:app', 'container:router'])
  })

  test('do not wait for a router that waits itself, as on ECS', () => {
    const waits = { dependsOn: [{ containerName: 'app', condition: 'START' as const }] }
    const { containers } = planned(app(), router({ type: 'fluentbit' }, waits))
    expect(containers[0]?.dependsOn).toEqual([])
  })

  test('may include the router itself, which does not wait for itself', () => {
    const own = router({ type: 'fluentbit' }, { logConfiguration: { logDriver: 'awsfirelens' } })
    expect(planned(own).containers[0]).toMatchObject({ dependsOn: [], log: { driver: 'fluentd' } })
  })

  test('are as they were in a task without a router', () => {
    const parts = { containers: [containerSpec(nginx())], volumes: [] }
    expect(withRouter(parts, [nginx()], METADATA)).toBe(parts)
  })
})

// P370
test.each<[string, ContainerDefinition[], RegExp]>([
  [
    'awsfirelens without a router',
    [app()],
    /\[0\]\.logConfiguration\.logDriver: .*firelensConfiguration/,
  ],
  [
    'two routers',
    [router(), router({ type: 'fluentd' }, { name: 'second' })],
    /\[1\]\.firelensConfiguration: .*router already/,
  ],
  ['another kind', [router({ type: 'vector' })], /type/],
  ['an unknown option', [router({ type: 'fluentd', options: { x: '1' } })], /"x": an option is/],
  [
    'metadata that is maybe',
    [router({ type: 'fluentd', options: { 'enable-ecs-log-metadata': 'maybe' } })],
    /true or false/,
  ],
  [
    'an object of S3 without its ARN',
    [
      router({
        type: 'fluentd',
        options: { 'config-file-type': 's3', 'config-file-value': 's3://b/k' },
      }),
    ],
    /config-file-value: "s3:\/\/b\/k": it must be the ARN/,
  ],
  [
    'a kind of file alone',
    [router({ type: 'fluentd', options: { 'config-file-type': 'file' } })],
    /come together/,
  ],
  [
    'a path of two lines',
    [
      router({
        type: 'fluentd',
        options: { 'config-file-type': 'file', 'config-file-value': '/a\n<source>' },
      }),
    ],
    /absolute path/,
  ],
  [
    'an output that is not named',
    [app({ region: 'x' }), router()],
    /missing output key Name .* type fluentbit/,
  ],
  [
    'a value of two lines',
    [app({ Name: 'x\n[OUTPUT]' }), router()],
    /options\.Name: the value has more than one line/,
  ],
  ['a key of two words', [app({ Name: 'x', 'a b': 'c' }), router()], /no name of an option/],
  ['a buffer of words', [app({ 'log-driver-buffer-limit': 'much' }), router()], /number of bytes/],
])('%s is refused by name', (_what, containers, message) => {
  const definition = seedDefinition(...containers) as RegisterTaskDefinitionRequest
  expect(() => checkDefinition(definition, host)).toThrow(message)
})
