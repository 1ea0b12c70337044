// A task asks to be left running for a while, or whether it is: ECS's path below ECS_AGENT_URI. On ECS
// its role must allow that; here it is the task's own word about itself, and reaches nobody else.

import { randomUUID } from 'node:crypto'
import type { ProtectedTask } from '@aws-sdk/client-ecs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Api, Task } from '../api.ts'
import { taskArn } from '../arn.ts'
import { AwsError, awsErrorOf, isDefect } from '../aws-error.ts'
import { parse } from '../ecs-route.ts'
import { protect, protectionOf, protectionWish } from '../task-protection.ts'

const PATH = '/api/:id/task-protection/v1/state'

export type ProtectionOptions = {
  readonly api: Api
  /** The task and container that a request came from and names; undefined for another's id. */
  readonly asking: (request: FastifyRequest) => { readonly task: Task } | undefined
  readonly onStranger: () => void
}

/** Adds GET and PUT. */
export function addProtectionRoutes(
  app: FastifyInstance,
  { api, asking, onStranger }: ProtectionOptions,
): void {
  const route = (method: 'GET' | 'PUT', perform: (task: Task, body: unknown) => ProtectedTask) =>
    app.route({
      method,
      url: PATH,
      handler: async (request, reply) => {
        const task = asking(request)?.task
        if (task === undefined) {
          onStranger()
          const message = 'Failed to find a task for the request'
          return reply
            .code(404)
            .send({ error: { Arn: '', Code: 'ServerException', Message: message } })
        }
        return answer(api, { task, reply, perform: () => perform(task, request.body) })
      },
    })
  route('GET', (task) => protectionOf(api, task))
  route('PUT', (task, body) => {
    const { ProtectionEnabled, ExpiresInMinutes } = wishIn(body)
    return protect(api, task, protectionWish(ProtectionEnabled, ExpiresInMinutes))
  })
}

/** ECS's members, of which the first must be there. Throws AwsError. */
function wishIn(body: unknown): { ProtectionEnabled?: unknown; ExpiresInMinutes?: unknown } {
  const read = typeof body === 'string' ? parse(body) : undefined
  if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read
  const rule = 'a JSON object with ProtectionEnabled, and maybe ExpiresInMinutes, is required'
  throw new AwsError('InvalidParameterException', rule)
}

function answer(
  api: Api,
  { task, reply, perform }: { task: Task; reply: FastifyReply; perform: () => ProtectedTask },
): FastifyReply {
  const requestID = randomUUID()
  try {
    const { taskArn: TaskArn, protectionEnabled, expirationDate } = perform()
    const ExpirationDate = expirationDate?.toISOString() ?? null
    const protection = { ExpirationDate, ProtectionEnabled: protectionEnabled, TaskArn }
    return reply.send({ requestID, protection })
  } catch (error) {
    if (isDefect(error)) throw error
    const { code, message, restStatus } = awsErrorOf(error)
    const Arn = taskArn(api.orders.host, task.asked.cluster, task.entry.id)
    return reply.code(restStatus).send({ requestID, error: { Arn, Code: code, Message: message } })
  }
}
