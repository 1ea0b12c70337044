// The ECS protocol at POST /: AWS JSON 1.1, the action in X-Amz-Target, so that the AWS CLI and every
// AWS SDK drive enid with an endpoint URL alone. Signatures are not looked at: whoever reaches the
// socket may use it, and a TCP port is only ever a loopback one.

import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { perform } from './actions.ts'
import type { Api } from './api.ts'
import { AwsError, awsErrorOf } from './aws-error.ts'

/** The media type of AWS JSON 1.1. */
export const AWS_JSON = 'application/x-amz-json-1.1'

const TARGET = /^AmazonEC2ContainerServiceV20141113\.(.*)$/

/** The action that a request names, or undefined. */
export function actionOf(target: string | string[] | undefined): string | undefined {
  return typeof target === 'string' ? TARGET.exec(target)?.[1] : undefined
}

/** Adds the route, and the parser of its media type. */
export function addEcsRoute(app: FastifyInstance, api: Api): void {
  app.addContentTypeParser(AWS_JSON, { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  )
  const schema = {
    summary: 'The Amazon ECS protocol (AWS JSON 1.1)',
    description:
      'For the AWS CLI and SDKs, with --endpoint-url. The action is in X-Amz-Target, ' +
      'e.g. AmazonEC2ContainerServiceV20141113.RunTask.',
  }
  app.post('/', { schema }, async (request, reply) => {
    const name = actionOf(request.headers['x-amz-target'])
    if (name === undefined) {
      throw new AwsError('UnknownOperationException', 'X-Amz-Target names no action of ECS', {
        hint: 'It reads AmazonEC2ContainerServiceV20141113.<Action>; plain REST is at /tasks',
      })
    }
    const answer = await perform(api, name, parse(request.body as string))
    return send(reply, 200, answer)
  })
}

/** Answers with an error as ECS words it: {__type, message}. */
export function sendEcsError(reply: FastifyReply, error: unknown): FastifyReply {
  const { code, message, ecsStatus, resourceIds } = awsErrorOf(error)
  const more = resourceIds === undefined ? {} : { resourceIds }
  return send(reply, ecsStatus, { __type: code, message, ...more })
}

function send(reply: FastifyReply, status: number, answer: unknown): FastifyReply {
  return reply
    .code(status)
    .header('x-amzn-requestid', randomUUID())
    .type(AWS_JSON)
    .send(JSON.stringify(answer))
}

/** The body as JSON. Throws AwsError (SerializationException) with the parser's own words. */
export function parse(body: string): unknown {
  try {
    return JSON.parse(body === '' ? '{}' : body)
  } catch (error) {
    const rule = `the body is not JSON: ${(error as Error).message}`
    throw new AwsError('SerializationException', rule)
  }
}
