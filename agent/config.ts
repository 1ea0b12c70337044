// The agent's settings: from the environment and one optional file, read once at the start.
// An unknown key is refused with the nearest known one, a bad value with what is allowed.
//
//   ENID_CONFIG=/etc/enid/enid.json   { "listen": "127.0.0.1:51680" }
//   ENID_LISTEN=127.0.0.1:51680       the environment wins over the file

import { readFileSync } from 'node:fs'
import { IMAGE_SETTINGS, type ImageConfig } from './image-config.ts'
import { type Setting, trueOrFalse } from './setting.ts'
import { refusalOf, SPARE_SETTINGS, type SpareConfig, spareRules } from './spare-config.ts'

/** All there is to set. Everything has a default that works. */
export type Config = ImageConfig &
  SpareConfig & {
    /** Where the state file lives. */
    readonly stateDir: string
    /** The unix socket of the API, mode 0660. */
    readonly socket: string
    /** A loopback address and port for the API as well, or undefined: whoever can use it is root. */
    readonly listen: { readonly host: string; readonly port: number } | undefined
    readonly logLevel: string
    /** Multiplies every deadline: for slow or simulated worlds. */
    readonly timeoutScale: number
    /** Multiplies the times of the sweep. Below 1 for tests: two looks must be far enough apart. */
    readonly sweepScale: number
    /** The part of the account's EC2 call rates that this host takes. */
    readonly ec2Share: number
    /** Memory that is kept for the host itself and not given to tasks, MiB. */
    readonly reservedMemory: number
    /** Whether a task's security groups are put back where somebody changed them in EC2. */
    readonly keepGroups: boolean
    /** The file that says where the credentials of which role come from, or undefined for no role. */
    readonly rolesFile: string | undefined
    /** Below it are the secrets and environment files that definitions call `file:…`. */
    readonly secretsDir: string
    /** How long a stopped task can still be described, milliseconds. */
    readonly retentionMs: number
  }

/** The configuration cannot be used. The message names the setting, its value and the rule. */
export class ConfigRefused extends Error {
  override name = 'ConfigRefused'
}

/** The agent cannot start here. The message says why and what to do. */
export class AgentRefused extends Error {
  override name = 'AgentRefused'
}

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const SETTINGS: { readonly [K in keyof Config]: Setting<Config[K]> } = {
  stateDir: {
    default: '/var/lib/enid',
    rule: 'an absolute path of a directory',
    parse: absolutePath,
  },
  socket: {
    default: '/run/enid/enid.sock',
    // sun_path holds 108 bytes, the closing zero included: unix(7).
    rule: 'an absolute path of at most 107 bytes',
    parse: (text) => (Buffer.byteLength(text) <= 107 ? absolutePath(text) : undefined),
  },
  listen: {
    default: '',
    rule: 'a loopback address and a port, such as 127.0.0.1:51680, or empty for none',
    parse: loopback,
  },
  logLevel: {
    default: 'info',
    rule: `one of ${LEVELS.join(', ')}`,
    parse: (text) => (LEVELS.includes(text) ? text : undefined),
  },
  timeoutScale: {
    default: '1',
    rule: 'a number from 0.1 to 100',
    parse: (text) => inRange(text, 0.1, 100),
  },
  sweepScale: {
    default: '1',
    rule: 'a number from 0.0001 to 100',
    parse: (text) => inRange(text, 0.0001, 100),
  },
  ec2Share: {
    default: '0.1',
    rule: "the part of the account's EC2 call rates that this host takes: a number from 0.01 to 1",
    parse: (text) => inRange(text, 0.01, 1),
  },
  reservedMemory: {
    default: '0',
    rule: 'MiB that are kept for the host itself, a number from 0 to 16777216',
    parse: (text) => inRange(text, 0, 16_777_216),
  },
  keepGroups: {
    default: 'false',
    rule: "true (a task's security groups are put back) or false (the change is reported)",
    parse: trueOrFalse,
  },
  rolesFile: {
    default: '',
    rule: 'an absolute path of a file, or empty for none',
    parse: absolutePath,
  },
  secretsDir: {
    default: '/etc/enid/secrets',
    rule: 'an absolute path of a directory',
    parse: absolutePath,
  },
  retentionMs: {
    default: '10800000',
    rule: 'milliseconds, from 1000 to 2592000000 (30 days)',
    parse: (text) => inRange(text, 1000, 2_592_000_000),
  },
  ...IMAGE_SETTINGS,
  ...SPARE_SETTINGS,
}

/** Reads the settings. Throws ConfigRefused for the first one that cannot be used. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const file = environment.ENID_CONFIG
  const fromFile = file === undefined ? {} : readFile(file)
  const texts = new Map<string, { text: string; from: string }>()
  for (const [key, value] of Object.entries(fromFile)) {
    known(key, Object.keys(SETTINGS), `${file}`)
    texts.set(key, { text: String(value), from: `${key} in ${file}` })
  }
  const variables = new Map(Object.keys(SETTINGS).map((key) => [variableOf(key), key]))
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('ENID_') || NOT_OURS.has(name) || text === undefined) continue
    known(name, [...variables.keys(), 'ENID_CONFIG'], 'the environment')
    const key = variables.get(name)
    if (key !== undefined) texts.set(key, { text, from: name })
  }
  const config = Object.fromEntries(
    Object.entries(SETTINGS).map(([key, setting]) => {
      const given = texts.get(key) ?? { text: setting.default, from: key }
      const value = setting.parse(given.text)
      if (value === undefined && given.text !== '') {
        throw new ConfigRefused(`${given.from} is "${given.text}", but must be ${setting.rule}`)
      }
      return [key, value]
    }),
  ) as Config
  const refusal = refusalOf(spareRules(config))
  if (refusal !== undefined) throw new ConfigRefused(refusal)
  return config
}

/** No settings: read by the `enid` command, or by tests (fault-point.ts). */
const NOT_OURS = new Set(['ENID_CONFIG', 'ENID_ENDPOINT', 'ENID_LAB', 'ENID_DIE_AT'])

/** `stateDir` is set by ENID_STATE_DIR. */
const variableOf = (key: string): string =>
  `ENID_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`

function known(name: string, allowed: readonly string[], where: string): void {
  if (allowed.includes(name)) return
  const nearest = allowed.toSorted((a, b) => distance(name, a) - distance(name, b))[0]
  throw new ConfigRefused(
    `${where} sets ${name}, which is no setting of enid. Nearest: ${nearest}. ` +
      `All: ${allowed.join(', ')}`,
  )
}

/** How many letters differ (Levenshtein): for the nearest known name. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

function readFile(path: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new ConfigRefused(`ENID_CONFIG names ${path}: ${(error as Error).message}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigRefused(`${path} must hold one JSON object of settings`)
  }
  return parsed as Record<string, unknown>
}

function absolutePath(text: string): string | undefined {
  return text.startsWith('/') ? text : undefined
}

function inRange(text: string, min: number, max: number): number | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  return value >= min && value <= max ? value : undefined
}

function loopback(text: string): Config['listen'] {
  const match = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|localhost):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65_535) return undefined
  return { host: (match[1] as string).replace(/[[\]]/g, ''), port }
}
