// Where the credentials of which role come from: one JSON file of the operator's, read at the start.
// A role that is not in it has no credentials on this host. What is wrong in it is said without a
// value of it: it may hold keys.
//
//   { "arn:aws:iam::123456789012:role/web": { "process": ["/usr/bin/aws_signing_helper", "…"] } }

import { readFileSync, statSync } from 'node:fs'

/** One way to credentials. */
export type RoleSource =
  /** A program that prints them, as the SDKs' `credential_process` does; IAM Roles Anywhere's helper. */
  | { readonly kind: 'process'; readonly command: readonly [string, ...string[]] }
  /** A file that holds what such a program prints; read again whenever they are due. */
  | { readonly kind: 'file'; readonly path: string }
  /** Keys that stand in the file itself: for the lab. */
  | {
      readonly kind: 'static'
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken?: string
    }
  /** STS AssumeRole with the agent's own credentials. */
  | { readonly kind: 'assumeRole' }

/** The sources by the role's ARN. */
export type RoleSources = ReadonlyMap<string, RoleSource>

/** What is wrong in the file: the place, the rule and the remedy, never a value. */
export class RolesFileRefused extends Error {
  override name = 'RolesFileRefused'
}

const WAYS = 'process, file, static, assumeRole'
const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/

/** Reads the file. Throws RolesFileRefused. */
export function readRolesFile(path: string): RoleSources {
  let text: string
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new RolesFileRefused(`${path} can be read by others than its owner: chmod 600 it`)
    }
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof RolesFileRefused) throw error
    throw new RolesFileRefused(`rolesFile names ${path}: ${(error as Error).message}`)
  }
  return rolesIn(text, path)
}

/** What the text says. Throws RolesFileRefused. */
export function rolesIn(text: string, path: string): RoleSources {
  const file = objectIn(text)
  if (file === undefined) {
    throw new RolesFileRefused(`${path} must hold one JSON object: the sources by role ARN`)
  }
  return new Map(
    Object.entries(file).map(([role, source]) => {
      if (!ROLE_ARN.test(role)) {
        throw new RolesFileRefused(`${path}: ${JSON.stringify(role)} is not the ARN of an IAM role`)
      }
      return [role, sourceOf(source, `${path}: ${role}`)]
    }),
  )
}

function sourceOf(value: unknown, where: string): RoleSource {
  const no = (rule: string) => new RolesFileRefused(`${where} ${rule}`)
  if (!isObject(value) || Object.keys(value).length !== 1) {
    throw no(`must be an object with one of ${WAYS}`)
  }
  const [way, given] = Object.entries(value)[0] as [string, unknown]
  switch (way) {
    case 'process': {
      const isCommand = Array.isArray(given) && given.every((word) => typeof word === 'string')
      const [program = '', ...args] = isCommand ? (given as string[]) : []
      if (program.startsWith('/')) return { kind: 'process', command: [program, ...args] }
      throw no('.process must be a list: the absolute path of a program, and its arguments')
    }
    case 'file':
      if (typeof given === 'string' && given.startsWith('/')) return { kind: 'file', path: given }
      throw no('.file must be an absolute path')
    case 'static': {
      const { AccessKeyId: id, SecretAccessKey: secret, SessionToken: token } = membersOf(given)
      const isWhole = [id, secret, token ?? ''].every((member) => typeof member === 'string')
      if (!isWhole || !id || !secret) {
        throw no('.static must have AccessKeyId, SecretAccessKey and maybe SessionToken')
      }
      const keys = { accessKeyId: id as string, secretAccessKey: secret as string }
      return { kind: 'static', ...keys, ...(token ? { sessionToken: token as string } : {}) }
    }
    case 'assumeRole':
      if (given === true) return { kind: 'assumeRole' }
      throw no('.assumeRole must be true')
    default:
      throw no(`has ${JSON.stringify(way)}, which is none of ${WAYS}`)
  }
}

/** The members of one JSON object; undefined where the text is none. Its parser's words quote it. */
export function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return isObject(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

const membersOf = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
