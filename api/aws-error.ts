// What the API says no with. api/ alone speaks AWS error names: rules and actions throw an AwsError,
// and whichever face was asked writes it in its own form (ECS: {__type, message}; REST: {error}).

import { Failure, sentence } from '../agent/failure.ts'
import { StateFileUnwritable } from '../state/database.ts'

/** The names that ECS uses; RequestEntityTooLarge and Serialization are those of AWS's front end. */
export type AwsErrorCode =
  | 'AccessDeniedException'
  | 'ClientException'
  | 'ClusterContainsServicesException'
  | 'ClusterContainsTasksException'
  | 'ClusterNotFoundException'
  | 'ConflictException'
  | 'InvalidParameterException'
  | 'RequestEntityTooLargeException'
  | 'SerializationException'
  | 'ServerException'
  | 'ServiceNotActiveException'
  | 'ServiceNotFoundException'
  | 'UnknownOperationException'

type Options = {
  /** The path of what is wrong, e.g. `containerDefinitions[0].cpu`. */
  readonly field?: string | undefined
  /** What to do about it. */
  readonly hint?: string | undefined
  /** The HTTP status of the REST face where the code does not say enough. */
  readonly restStatus?: number
  /** ConflictException's member of this name. */
  readonly resourceIds?: readonly string[]
}

/** One clear no: which field, which rule, what to do. Nothing was changed. */
export class AwsError extends Error {
  override name = 'AwsError'
  readonly code: AwsErrorCode
  readonly field: string | undefined
  readonly hint: string | undefined
  readonly restStatus: number
  readonly resourceIds: readonly string[] | undefined

  constructor(code: AwsErrorCode, rule: string, options: Options = {}) {
    const where = options.field ? `${options.field}: ` : ''
    super(`${where}${rule}${options.hint === undefined ? '' : `. ${options.hint}`}`)
    this.code = code
    this.field = options.field
    this.hint = options.hint
    this.restStatus = options.restStatus ?? REST_STATUS[code]
    this.resourceIds = options.resourceIds
  }

  /** ECS answers 400 to whatever the caller can put right (AWS JSON 1.1). */
  get ecsStatus(): number {
    return ECS_STATUS[this.code] ?? 400
  }
}

const REST_STATUS: Readonly<Record<AwsErrorCode, number>> = {
  AccessDeniedException: 403,
  ClientException: 400,
  ClusterContainsServicesException: 409,
  ClusterContainsTasksException: 409,
  ClusterNotFoundException: 404,
  ConflictException: 409,
  InvalidParameterException: 400,
  RequestEntityTooLargeException: 413,
  SerializationException: 400,
  ServerException: 500,
  ServiceNotActiveException: 409,
  ServiceNotFoundException: 404,
  UnknownOperationException: 404,
}

const ECS_STATUS: Readonly<Partial<Record<AwsErrorCode, number>>> = {
  AccessDeniedException: 403,
  RequestEntityTooLargeException: 413,
  ServerException: 500,
}

/** A broken rule of a task definition: ECS answers ClientException to those. */
export const clientError = (field: string, rule: string, hint?: string): AwsError =>
  new AwsError('ClientException', rule, { field, hint })

/** A parameter that cannot be used. */
export const invalid = (field: string, rule: string, hint?: string): AwsError =>
  new AwsError('InvalidParameterException', rule, { field, hint })

/** Whatever was thrown as an AwsError; what is not a refusal becomes ServerException, status 500. */
export function awsErrorOf(error: unknown): AwsError {
  if (error instanceof AwsError) return error
  if (error instanceof Failure && error.kind === 'refused') {
    return new AwsError('InvalidParameterException', `${error.code}: ${sentence(error)}`)
  }
  if (error instanceof Failure && error.kind !== 'defect') {
    // An SDK tries a 500 again by itself, which is right for what only time can mend.
    const text = `${error.code}: ${sentence(error)}`
    return new AwsError('ServerException', text, { restStatus: 503 })
  }
  if (error instanceof StateFileUnwritable) {
    const hint = 'Make room on the disk of the state directory, then ask again'
    return new AwsError('ServerException', error.message, { hint, restStatus: 503 })
  }
  return new AwsError('ServerException', 'enid made a mistake; its log says which')
}

/** Whether this is a mistake of ours, to be logged: everything but a refusal or a Failure. */
export const isDefect = (error: unknown): boolean =>
  !(error instanceof AwsError) &&
  !(error instanceof StateFileUnwritable) &&
  !(error instanceof Failure && error.kind !== 'defect')

/** A value as an error shows it: scalars whole (strings cut at 60 characters), the rest by kind. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  }
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
