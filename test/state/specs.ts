// Specs for the tests of the pure core: as small as each can be and still be its kind.

import type { Condition, ContainerSpec, Spec } from '../../state/spec.ts'

export function container(
  name: string,
  edges: Record<string, Condition> = {},
  change: Partial<ContainerSpec> = {},
): ContainerSpec {
  return {
    name,
    image: 'nginx:latest',
    essential: true,
    dependsOn: Object.entries(edges).map(([container, condition]) => ({ container, condition })),
    environment: {},
    dockerLabels: {},
    stopTimeoutMs: 30_000,
    ...change,
  }
}

export function spec(change: Partial<Spec> = {}): Spec {
  return {
    kind: 'task',
    enis: [{ subnetIds: ['subnet-a', 'subnet-b'], securityGroupIds: ['sg-1'], tags: {} }],
    containers: [container('web')],
    blockImds: true,
    family: 'web',
    asked: null,
    ...change,
  }
}

const eni = { subnetIds: ['subnet-a'], securityGroupIds: [], tags: {} }

/** One of each kind of holder there is or will be. */
export const SPECS = {
  'a task': spec(),
  'a task of two containers, one waiting for the other': spec({
    containers: [container('web', { db: 'HEALTHY' }), container('db', {}, { essential: false })],
  }),
  'a task whose container is started again': spec({
    containers: [
      container('web', {}, { restart: { ignoredExitCodes: [], attemptPeriodMs: 60_000 } }),
    ],
  }),
  'a task whose container is made ahead': spec({ madeAhead: true }),
  'a task of two containers made ahead, one waiting for the other': spec({
    containers: [container('web', { db: 'HEALTHY' }), container('db', {}, { essential: false })],
    madeAhead: true,
  }),
  'a task of two ENIs': spec({ enis: [eni, eni] }),
  'a task with a cgroup around it': spec({ cgroup: { memoryMiB: 64 } }),
  'a spare': spec({ kind: 'spare', containers: [] }),
  'a shared ENI': spec({ kind: 'shared', containers: [] }),
  'a task on a shared ENI': spec({ enis: [], sharedEni: 'shared' }),
} satisfies Record<string, Spec>
