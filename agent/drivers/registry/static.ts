// A login from a file of the host's, in either of the forms that ECS_ENGINE_AUTH_DATA has:
//
//   dockercfg, config.json   {"auths": {"host": {"auth": "base64 of user:password"}}}, or without "auths"
//   docker                   {"host": {"username": …, "password": …}}

import { readFileSync } from 'node:fs'
import { Failure } from '../../failure.ts'
import type { RegistryAuth } from '../docker-images.ts'

type Entry = {
  readonly auth?: unknown
  readonly username?: unknown
  readonly password?: unknown
  readonly identitytoken?: unknown
}

/**
 * The login for a registry's host, or undefined where the file has none. Throws `refused`
 * CannotPullContainerAuthError for a file that cannot be read; what it holds is not repeated.
 */
export function readStatic(path: string, host: string): RegistryAuth | undefined {
  const file = contentOf(path)
  const entries = isObject(file.auths) ? file.auths : file
  const found = Object.entries(entries).find(([name]) => bare(name) === bare(host))
  if (found !== undefined) return loginOf(path, found[0], found[1])
  const helpers = isObject(file.credHelpers) ? Object.keys(file.credHelpers) : []
  if (file.credsStore === undefined && !helpers.some((name) => bare(name) === bare(host))) {
    return undefined
  }
  const rule = `${path} leaves ${host} to a credential helper, and no program is run for that`
  throw unusable(rule, 'Write an entry with auth, or username and password, for this host.')
}

function loginOf(path: string, name: string, entry: unknown): RegistryAuth {
  const { auth, username, password, identitytoken }: Entry = isObject(entry) ? entry : {}
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identitytoken }
  if (typeof username === 'string' && typeof password === 'string') return { username, password }
  const [user = '', ...rest] = Buffer.from(String(auth ?? ''), 'base64')
    .toString()
    .split(':')
  if (user !== '' && rest.length > 0) return { username: user, password: rest.join(':') }
  const rule = `${path} holds no login for ${name}`
  throw unusable(rule, 'Write auth (base64 of user:password), or username and password.')
}

/** Docker writes hosts with or without a scheme and a path. */
const bare = (name: string): string => name.replace(/^https?:\/\//, '').replace(/\/(v\d\/?)?$/, '')

function contentOf(path: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as { readonly code?: string }
    throw unusable(`${path} cannot be read (${code})`, 'See ENID_REGISTRY_AUTH.')
  }
  const content = parsed(text)
  if (content !== undefined) return content
  throw unusable(`${path} holds no JSON object`, 'It is written like ~/.docker/config.json.')
}

/** JSON.parse's own error quotes what it read. */
function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const unusable = (message: string, hint: string): Failure =>
  new Failure('refused', 'CannotPullContainerAuthError', message, { hint })
