// Services and deployments for tests: as small as each can be.

import type { Deployment, Service } from '../../state/service.ts'
import { spec } from './specs.ts'

export const deployment = (id: string, createdAt = 0): Deployment => ({
  id,
  spec: spec(),
  tags: {},
  arnPrefix: 'arn:aws:ecs:us-west-2:123456789012:task/default/',
  asked: null,
  createdAt,
  updatedAt: createdAt,
  rollout: 'IN_PROGRESS',
  rolloutReason: '',
  tasks: {},
  failedTasks: 0,
})

/** One task of one deployment, at ECS's percentages. */
export const service = (change: Partial<Service> = {}): Service => ({
  cluster: 'default',
  name: 'web',
  arn: 'arn:aws:ecs:us-west-2:123456789012:service/default/web',
  strategy: 'REPLICA',
  status: 'ACTIVE',
  desiredCount: 1,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  createdAt: 0,
  isSteady: false,
  request: '{}',
  deployments: [deployment('ecs-svc/1')],
  ...change,
})
