// A task asks to be left running for a while, or whether it is: ECS's path below ECS_AGENT_URI. On ECS
// its role must allow that; here it is the task's own word about itself, and reaches nobody else.

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
          const error = { Code: 'ResourceNotFoundException', Message: message }
          return reply.code(404).send({ error })
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

type Wish = { readonly ProtectionEnabled?: unknown; readonly ExpiresInMinutes?: unknown }

/** ECS's members, whichever the case of their letters, and no others. Throws AwsError. */
function wishIn(body: unknown): Wish {
  const read = typeof body === 'string' ? parse(body) : undefined
  const known = ['ProtectionEnabled', 'ExpiresInMinutes']
  const members = Object.entries(read ?? {}).map(([name, value]) => {
    const meant = known.find((each) => each.toLowerCase() === name.toLowerCase())
    return [meant, value] as const
  })
  const isObject = typeof read === 'object' && read !== null && !Array.isArray(read)
  if (isObject && members.every(([name]) => name !== undefined)) return Object.fromEntries(members)
  const rule = 'a JSON object with ProtectionEnabled, and maybe ExpiresInMinutes, is required'
  throw new AwsError('InvalidParameterException', rule)
}

function answer(
  api: Api,
  { task, reply, perform }: { task: Task; reply: FastifyReply; perform: () => ProtectedTask },
): FastifyReply {
  try {
    const { taskArn: TaskArn, protectionEnabled, expirationDate } = perform()
    const ExpirationDate = expirationDate?.toISOString() ?? null
    const protection = { ExpirationDate, ProtectionEnabled: protectionEnabled, TaskArn }
    return reply.send({ protection })
  } catch (error) {
    if (isDefect(error)) throw error
    const { code, message, restStatus } = awsErrorOf(error)
    const Arn = taskArn(api.orders.host, task.asked.cluster, task.entry.id)
    return reply.code(restStatus).send({ error: { Arn, Code: code, Message: message } })
  }
}
