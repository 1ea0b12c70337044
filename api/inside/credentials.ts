// The task role's credentials, as the SDKs of a task's containers fetch them: ECS's paths, answer and
// errors (amazon-ecs-agent, tmds/handlers/v1). The id in the path is checked against the task whose
// socket it came over; an id of another task, though it be known, is refused and counted.

import type { FastifyInstance, FastifyReply } from 'fastify'
import { Failure, sentence } from '../../agent/failure.ts'
import type { Api, Task } from '../api.ts'
import type { FindTask } from './inside.ts'

export type CredentialsOptions = {
  readonly api: Api
  /** The task that a request came from. */
  readonly taskOf: FindTask
  /** Told of each request for another's id. */
  readonly onStranger: () => void
  /** Told of each request for the task's own. */
  readonly onAsked: (outcome: 'given' | 'failed') => void
}

/** Adds `/v2/credentials/<id>` and its elder form, `/v1/credentials?id=<id>`. */
export function addCredentialsRoutes(app: FastifyInstance, options: CredentialsOptions): void {
  app.get('/v2/credentials/:id', async (request, reply) => {
    const { id } = request.params as { readonly id: string }
    return await answer(options, { task: options.taskOf(request), id, reply, version: 2 })
  })
  app.get('/v1/credentials', async (request, reply) => {
    const { id } = request.query as { readonly id?: string }
    const text = typeof id === 'string' ? id : ''
    return await answer(options, { task: options.taskOf(request), id: text, reply, version: 1 })
  })
}

type Asked = {
  readonly task: Task | undefined
  readonly id: string
  readonly reply: FastifyReply
  readonly version: 1 | 2
}

async function answer(
  { api, onStranger, onAsked }: CredentialsOptions,
  { task, id, reply, version }: Asked,
): Promise<FastifyReply> {
  const refuse = (status: number, code: string, message: string) =>
    reply.code(status).send({ code, message, HTTPErrorCode: status })
  const request = `CredentialsV${version}Request`
  if (id === '') {
    return refuse(400, 'NoIdInRequest', `${request}: No Credential ID in the request`)
  }
  const own = task?.entry.holder.spec.roles?.credentialsId
  if (task === undefined || own === undefined || own !== id) {
    onStranger()
    return refuse(400, 'InvalidIdInRequest', `${request}: Credentials not found`)
  }
  try {
    const given = await api.orders.credentials(task.entry.id)
    onAsked('given')
    return reply.header('cache-control', 'no-store').send({
      RoleArn: given.roleArn,
      AccessKeyId: given.accessKeyId,
      SecretAccessKey: given.secretAccessKey,
      Token: given.token,
      Expiration: new Date(given.expiresAt).toISOString(),
    })
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    onAsked('failed')
    const why = `${request}: Credentials uninitialized for ID: ${error.code}: ${sentence(error)}`
    return refuse(503, 'CredentialsUninitialized', why)
  }
}
