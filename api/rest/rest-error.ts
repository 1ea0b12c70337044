// Errors of the REST face: {error: {code, message, field?, hint?}}.

import type { FastifyReply } from 'fastify'
import type { AwsError } from '../aws-error.ts'
import { awsErrorOf, invalid } from '../aws-error.ts'
import { AWSVPC } from '../awsvpc.ts'
import { nearest } from '../nearest.ts'

export function sendRestError(reply: FastifyReply, error: unknown): FastifyReply {
  const { code, message, field, hint, restStatus, resourceIds } = awsErrorOf(error)
  const body = {
    code,
    message: plain(message),
    ...(field === undefined ? {} : { field: plain(field) }),
    ...(hint === undefined ? {} : { hint }),
    ...(resourceIds === undefined ? {} : { resourceIds }),
  }
  return reply
    .code(restStatus)
    .type('application/json')
    .send(JSON.stringify({ error: body }))
}

/** REST says `subnets` where ECS says networkConfiguration.awsvpcConfiguration.subnets. */
const plain = (text: string): string => text.replaceAll(`${AWSVPC}.`, '')

/** What the schema check of a request says, as far as it is needed here. */
export type Validation = {
  readonly keyword: string
  readonly instancePath: string
  readonly message?: string
  readonly params: Readonly<Record<string, unknown>>
}

/** The first thing that does not fit the schema, by its path: `tags.a`, `subnets[0]`. */
export function validationError(
  all: readonly Validation[],
  { part, schema }: { part: string; schema: unknown },
): AwsError {
  const unknown = all.find(({ keyword }) => keyword === 'additionalProperties')
  if (unknown !== undefined) {
    const [name = ''] = unknown.params.additionalProperties as readonly string[]
    const known = Object.keys((schema as { properties?: object } | undefined)?.properties ?? {})
    const near = nearest(name, known)
    const hint = near === undefined ? `Allowed: ${known.join(', ')}` : `Did you mean ${near}?`
    return invalid(path(unknown.instancePath, name.slice(0, 80)), 'is not known here', hint)
  }
  const first = all[0]
  const [missing] = (first?.params.requiredProperties as readonly string[] | undefined) ?? []
  if (missing !== undefined) return invalid(path(first?.instancePath ?? '', missing), 'is required')
  return invalid(path(first?.instancePath ?? '') || `the ${part}`, first?.message ?? 'does not fit')
}

function path(pointer: string, ...more: readonly string[]): string {
  return [...pointer.split('/').filter((part) => part !== ''), ...more]
    .map((part, index) => (/^[0-9]+$/.test(part) ? `[${part}]` : `${index > 0 ? '.' : ''}${part}`))
    .join('')
}
