// Credentials, got by one way once. Nothing is kept here (roles.ts keeps them, in memory only), and
// no error says what a program printed or a file holds.

import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../../failure.ts'
import { objectIn, type RoleSource } from './roles-file.ts'

/** What a request is signed with. Never in the journal, a log line or an error. */
export type Credentials = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** Milliseconds since the epoch; absent: they do not run out. */
  readonly expiresAt?: number
}

export type Asking = {
  readonly role: string
  /** Names the session in CloudTrail: 2 to 64 of ECS's task ids' characters. */
  readonly session: string
  readonly region: string
  /** Ends what is under way. */
  readonly signal?: AbortSignal | undefined
}

/** A helper may have to ask a server far away, milliseconds. */
const PROCESS_MS = 30_000
const OUTPUT_MAX = 65_536
const ASSUME_MS = { connect: 2_000, request: 10_000 }

/** Gets them. Rejects with a Failure `RoleCredentialsFailed` that says which way failed, and how. */
export async function credentialsFrom(source: RoleSource, asking: Asking): Promise<Credentials> {
  switch (source.kind) {
    case 'process':
      return printed(await run(source.command, asking), asking.role, source.command[0])
    case 'file':
      return printed(await readOwn(source.path, asking.role), asking.role, source.path)
    case 'static': {
      const { kind: _, ...keys } = source
      return keys
    }
    case 'assumeRole':
      return await assume(asking)
  }
}

/** stderr is not looked at: the SDKs' documents allow a program to write secrets there. */
function run(
  [program, ...args]: readonly [string, ...string[]],
  { role, signal }: Asking,
): Promise<string> {
  const bounds = {
    ...{ timeout: PROCESS_MS, maxBuffer: OUTPUT_MAX },
    ...{ killSignal: 'SIGKILL' as const, signal },
  }
  return new Promise((resolve, reject) => {
    execFile(program, args, bounds, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(failed(role, `${program} ${endOf(error)}`, 'Run it by hand to see what it says'))
    })
  })
}

function endOf({ code, killed, signal }: Parameters<NonNullable<ExecCallback>>[0]): string {
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `printed over ${OUTPUT_MAX} characters`
  if (code === 'ABORT_ERR') return 'was given up'
  if (killed) return `took longer than ${PROCESS_MS / 1000} s`
  if (typeof code === 'number') return `ended with exit code ${code}`
  return typeof code === 'string' ? `cannot be run: ${code}` : `was ended by ${signal}`
}
type ExecCallback = (error: {
  code?: string | number | null
  killed?: boolean
  signal?: NodeJS.Signals | null
}) => void

async function readOwn(path: string, role: string): Promise<string> {
  try {
    if (((await stat(path)).mode & 0o077) !== 0) {
      throw failed(role, `${path} can be read by others than its owner`, 'chmod 600 it')
    }
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Failure) throw error
    throw failed(role, `${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** The form of the SDKs' `credential_process` (SDKs and Tools Reference Guide), version 1. */
function printed(text: string, role: string, by: string): Credentials {
  const told = objectIn(text)
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = told ?? {}
  const no = (rule: string) => failed(role, `what ${by} gives ${rule}`)
  if (told?.Version !== 1) throw no('is no JSON object with "Version": 1')
  if (!isText(AccessKeyId) || !isText(SecretAccessKey)) {
    throw no('lacks AccessKeyId or SecretAccessKey')
  }
  const expiresAt = Expiration === undefined ? undefined : Date.parse(String(Expiration))
  if (Number.isNaN(expiresAt)) throw no('has an Expiration that is no ISO 8601 time')
  if (expiresAt !== undefined && expiresAt <= Date.now()) {
    throw no(`ran out at ${new Date(expiresAt).toISOString()}`)
  }
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    ...(isText(SessionToken) ? { sessionToken: SessionToken } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

async function assume({ role, session, region, signal }: Asking): Promise<Credentials> {
  const { STSClient, AssumeRoleCommand } = await import('@aws-sdk/client-sts')
  const { connect, request } = ASSUME_MS
  const client = new STSClient({
    region,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connect,
      requestTimeout: request,
      throwOnRequestTimeout: true,
    },
  })
  try {
    const command = new AssumeRoleCommand({ RoleArn: role, RoleSessionName: session })
    const { Credentials: given } = await client.send(command, signal && { abortSignal: signal })
    if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken) {
      throw failed(role, 'STS answered AssumeRole without credentials')
    }
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      ...(given.Expiration && { expiresAt: given.Expiration.getTime() }),
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    const { name, message } = error as Error
    throw failed(role, `AssumeRole: ${name}: ${message}`, 'See what the role trusts')
  } finally {
    client.destroy()
  }
}

const failed = (role: string, why: string, hint = ''): Failure =>
  new Failure('transient', 'RoleCredentialsFailed', `no credentials of ${role}: ${why}`, { hint })
