// AWS's stores of secrets and files: SSM Parameter Store, Secrets Manager, S3. One client for each
// service, region and role; endpoints come from the SDK's own settings, so a stand-in is one variable
// away. The runner repeats, not the SDK. The role is the task's execution role where the host has a
// source of it; without one, the agent asks as itself.

import type { EnvironmentFileSource, SecretSource } from '../../../state/spec.ts'
import { Failure } from '../../failure.ts'
import type { Roles } from '../roles/roles.ts'
import { FILE_MAX } from './local-file.ts'
import { storeFailure } from './store-failure.ts'

type Remote = Exclude<SecretSource, { store: 'file' }>
type ObjectSource = Extract<EnvironmentFileSource, { store: 's3' }>

export type Stores = {
  secret(from: Remote, role: string | undefined, signal: AbortSignal): Promise<string>
  object(from: ObjectSource, role: string | undefined, signal: AbortSignal): Promise<string>
  close(): void
}

const TIMEOUT_MS = { connect: 2_000, request: 10_000 }

/** Who asks, in CloudTrail. */
const SESSION = 'enid-agent'

type Client = { destroy(): void }

/** Opens it. Nothing is loaded before the first call. */
export function openStores({ roles, region }: { roles: Roles; region: string }): Stores {
  const clients = new Map<string, Promise<Client>>()

  const settings = (where: string, role: string | undefined) => ({
    region: where,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: TIMEOUT_MS.connect,
      requestTimeout: TIMEOUT_MS.request,
      throwOnRequestTimeout: true,
    },
    ...(role === undefined
      ? {}
      : {
          credentials: async () => {
            const { expiresAt = Date.now(), ...keys } = await roles.get(role, SESSION)
            // Those without an end may be replaced: the SDK asks again, and roles.ts keeps them.
            return { ...keys, expiration: new Date(expiresAt) }
          },
        }),
  })

  /** The client of this key, or a new one. */
  async function client<C extends Client>(key: string, make: () => Promise<C>): Promise<C> {
    const opening = (clients.get(key) as Promise<C> | undefined) ?? make()
    clients.set(key, opening)
    return await opening
  }

  async function parameter(
    { parameter: name, region: where = region }: Extract<Remote, { store: 'ssm' }>,
    role: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<string> {
    const { SSMClient, GetParametersCommand } = await import('@aws-sdk/client-ssm')
    const make = async () => new SSMClient(settings(where, role))
    const ssm = await client(`ssm ${where} ${role}`, make)
    // GetParameters, not GetParameter: the first is what the policies of execution roles allow.
    const command = new GetParametersCommand({ Names: [name], WithDecryption: true })
    const { Parameters: [found] = [] } = await ssm.send(command, { abortSignal })
    if (found?.Value !== undefined) return found.Value
    throw new Failure('refused', 'ResourceInitializationError', `invalid parameters: ${name}`, {
      hint: `Check the name: SSM Parameter Store in ${where} has none that is called so`,
    })
  }

  async function secret(
    from: Extract<Remote, { store: 'secretsmanager' }>,
    role: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<string> {
    const { secretId: SecretId, region: where = region, versionStage, versionId } = from
    const sdk = await import('@aws-sdk/client-secrets-manager')
    const make = async () => new sdk.SecretsManagerClient(settings(where, role))
    const manager = await client(`secretsmanager ${where} ${role}`, make)
    const command = new sdk.GetSecretValueCommand({
      SecretId,
      ...(versionStage === undefined ? {} : { VersionStage: versionStage }),
      ...(versionId === undefined ? {} : { VersionId: versionId }),
    })
    const { SecretString } = await manager.send(command, { abortSignal })
    if (SecretString !== undefined) return SecretString
    throw new Failure('refused', 'ResourceInitializationError', `${SecretId} is binary`, {
      hint: 'A variable is a text: store it as SecretString',
    })
  }

  return {
    async secret(from, role, signal) {
      const ofSsm = from.store === 'ssm'
      try {
        return await (ofSsm ? parameter(from, role, signal) : secret(from, role, signal))
      } catch (error) {
        const what = ofSsm ? `SSM parameter ${from.parameter}` : `secret ${from.secretId}`
        throw storeFailure(what, error, signal)
      }
    },

    async object({ bucket: Bucket, key: Key }, role, signal) {
      try {
        const { S3Client, GetObjectCommand } = await import('@aws-sdk/client-s3')
        // A bucket may be in any region, and its ARN does not say in which.
        const make = async () =>
          new S3Client({ ...settings(region, role), followRegionRedirects: true })
        const s3 = await client(`s3 ${region} ${role}`, make)
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }), {
          abortSignal: signal,
        })
        return await limited(Body as AsyncIterable<Uint8Array>, signal)
      } catch (error) {
        throw storeFailure(`s3://${Bucket}/${Key}`, error, signal)
      }
    },

    close() {
      // One that failed to open has nothing to close, and told whoever wanted it.
      for (const opening of clients.values()) opening.then((one) => one.destroy()).catch(() => {})
    },
  }
}

async function limited(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    signal.throwIfAborted()
    size += chunk.length
    if (size > FILE_MAX) {
      const rule = `it has more than ${FILE_MAX} bytes`
      throw new Failure('refused', 'ResourceInitializationError', rule, {
        hint: 'Name a file of variables',
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
