// From ECS's words to ours, for values that are fetched later: `valueFrom` of secrets and the `value`
// of environment files. What is called `file:NAME` is below a directory of this host: an extension,
// for hosts without AWS.
//
//   arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME[:JSON-KEY:VERSION-STAGE:VERSION-ID]
//   arn:aws:ssm:REGION:ACCOUNT:parameter/NAME     NAME (of this region)     file:NAME[:JSON-KEY]

import type { ContainerDefinition, EnvironmentFile, Secret } from '@aws-sdk/client-ecs'
import type {
  ContainerSpec,
  EnvironmentFileSource,
  SecretSource,
  SecretSpec,
} from '../state/spec.ts'

const FILE = 'file:'

/** A name below the directory: no way up, no absolute path, nothing hidden by a doubled slash. */
const BELOW = /^(?!\/)(?!.*(?:^|\/)\.{0,2}(?:\/|$))[^:\0]+$/

/** Letters of a parameter's name, with the version or label that may follow. */
const PARAMETER = /^[A-Za-z0-9_.\-/]{1,1011}(?::[A-Za-z0-9_.-]{1,100})?$/

/** A secret in our words, or the rule that it breaks. */
export function secretSource(valueFrom: string): SecretSource | { readonly rule: string } {
  if (valueFrom.startsWith(FILE)) return ofFile(valueFrom.slice(FILE.length))
  if (!valueFrom.startsWith('arn:')) {
    if (PARAMETER.test(valueFrom)) return { store: 'ssm', parameter: valueFrom }
    return { rule: RULE }
  }
  const [, partition = '', service, region = '', account = '', ...rest] = valueFrom.split(':')
  const isPlace = /^aws[a-z-]*$/.test(partition) && /^[a-z0-9-]+$/.test(region)
  if (!isPlace || !/^\d{12}$/.test(account)) return { rule: RULE }
  if (service === 'ssm' && /^parameter\/./.test(rest[0] ?? '') && rest.length <= 2) {
    return { store: 'ssm', parameter: valueFrom, region }
  }
  const [kind, name, jsonKey = '', versionStage = '', versionId = '', more] = rest
  if (service !== 'secretsmanager' || kind !== 'secret' || !name || more !== undefined) {
    return { rule: RULE }
  }
  if (versionStage !== '' && versionId !== '') {
    return { rule: 'names a version-stage and a version-id, of which one is allowed' }
  }
  return {
    store: 'secretsmanager',
    secretId: valueFrom.split(':').slice(0, 7).join(':'),
    region,
    ...(jsonKey === '' ? {} : { jsonKey }),
    ...(versionStage === '' ? {} : { versionStage }),
    ...(versionId === '' ? {} : { versionId }),
  }
}

const RULE =
  'is the ARN of a secret or of a parameter, the name of a parameter, or file:NAME for a file of this host'

function ofFile(text: string): SecretSource | { readonly rule: string } {
  const [path = '', jsonKey = '', more] = text.split(':')
  if (!BELOW.test(path) || more !== undefined) return { rule: FILE_RULE }
  return { store: 'file', path, ...(jsonKey === '' ? {} : { jsonKey }) }
}

const FILE_RULE = 'after file: stands a name below the directory of secrets, without . or .. in it'

/** An environment file in our words, or the rule that it breaks. */
export function environmentFileSource({
  type,
  value = '',
}: EnvironmentFile): EnvironmentFileSource | { readonly rule: string } {
  if (type !== undefined && type !== 's3') return { rule: `type ${type}: s3 is the only one` }
  if (!value.endsWith('.env')) return { rule: 'the name of an environment file ends in .env' }
  if (value.startsWith(FILE)) {
    const path = value.slice(FILE.length)
    return BELOW.test(path) ? { store: 'file', path } : { rule: FILE_RULE }
  }
  const object = s3Object(value)
  if (object !== undefined) return object
  return { rule: 'is arn:aws:s3:::BUCKET/KEY.env, or file:NAME.env for a file of this host' }
}

/** Secrets whose rules have passed before. */
export const secretSpecs = (secrets: readonly Secret[] = []): SecretSpec[] =>
  secrets.flatMap(({ name = '', valueFrom = '' }) => {
    const from = secretSource(valueFrom)
    return 'rule' in from ? [] : [{ name, from }]
  })

/** The part of a container's spec; its rules have passed before. */
export function fetchedSpecs({
  secrets = [],
  environmentFiles = [],
}: ContainerDefinition): Pick<ContainerSpec, 'secrets' | 'environmentFiles'> {
  const files = environmentFiles.flatMap((file) => {
    const from = environmentFileSource(file)
    return 'rule' in from ? [] : [from]
  })
  return {
    ...(secrets.length > 0 && { secrets: secretSpecs(secrets) }),
    ...(files.length > 0 && { environmentFiles: files }),
  }
}

/** A login to a registry: ECS knows Secrets Manager alone, by ARN or name; `file:NAME` is ours. */
export function registrySecret(text: string): SecretSource {
  const from = text.startsWith('arn:') || text.startsWith(FILE) ? secretSource(text) : undefined
  return from === undefined || 'rule' in from ? { store: 'secretsmanager', secretId: text } : from
}

/** An object of S3 by its ARN, or undefined where the text is none. */
export function s3Object(arn: string): EnvironmentFileSource | undefined {
  const [, bucket, key] = /^arn:aws[a-z-]*:s3:::([a-z0-9.-]{3,63})\/(.+)$/.exec(arn) ?? []
  return bucket === undefined || key === undefined ? undefined : { store: 's3', bucket, key }
}
