// Rules about the definition as a whole: family, network mode, what it must run on, its size.

import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'

/** ECS's own limit on a whole definition, bytes of JSON. */
const SIZE_MAX = 65_536

const SYSTEM = 'LINUX'

/** ECS: up to 255 letters, digits, hyphens and underscores. */
export const family: Rule = (definition) => {
  if (/^[A-Za-z0-9_-]{1,255}$/.test(definition.family ?? '')) return
  throw clientError(
    'family',
    `${shown(definition.family)}: a family is 1 to 255 letters, digits, hyphens and underscores`,
  )
}

export const networkMode: Rule = ({ networkMode: mode }) => {
  if (mode === 'awsvpc') return
  throw clientError(
    'networkMode',
    mode === undefined
      ? 'is missing, which means bridge on ECS; enid runs awsvpc tasks only'
      : `${shown(mode)}: enid runs awsvpc tasks only`,
    'Write "networkMode": "awsvpc"',
  )
}

/** FARGATE would promise what cannot be checked here; EC2 and EXTERNAL are what this host is. */
export const requiresCompatibilities: Rule = ({ requiresCompatibilities: wanted = [] }) => {
  for (const [index, compatibility] of wanted.entries()) {
    if (['EC2', 'EXTERNAL'].includes(compatibility)) continue
    throw clientError(
      `requiresCompatibilities[${index}]`,
      `${shown(compatibility)}: tasks run on this host, which is neither Fargate nor managed`,
      'Write ["EC2"], or leave it out',
    )
  }
}

export const runtimePlatform: Rule = ({ runtimePlatform: platform }, { architecture }) => {
  const { operatingSystemFamily = SYSTEM, cpuArchitecture = architecture } = platform ?? {}
  if (operatingSystemFamily !== SYSTEM) {
    const value = shown(operatingSystemFamily)
    throw clientError('runtimePlatform.operatingSystemFamily', `${value}: this host is ${SYSTEM}`)
  }
  if (cpuArchitecture === architecture) return
  throw clientError(
    'runtimePlatform.cpuArchitecture',
    `${shown(cpuArchitecture)}: this host is ${architecture}`,
    'Leave it out, or build the image for this host',
  )
}

export const size: Rule = (definition) => {
  const bytes = Buffer.byteLength(JSON.stringify(definition))
  if (bytes <= SIZE_MAX) return
  throw clientError('', `The task definition has ${bytes} bytes; at most ${SIZE_MAX} are allowed`)
}
