// The settings about warm spares. Part of config.ts.
//
//   ENID_SPARES=2 ENID_SPARES_MAX=6                        for whatever is launched here
//   ENID_SPARE_POOLS="subnet-1:sg-a,sg-b=1-4; subnet-2"    for these pools and no others

import type { PoolPlace } from '../state/spare.ts'
import { poolKey } from '../state/spare.ts'
import type { PoolRule, SpareRules } from '../state/spare-plan.ts'
import type { Setting } from './setting.ts'

export type SpareConfig = {
  /** How many warm spares each pool keeps at least. 0: none are made. */
  readonly spares: number
  /** How many a pool keeps at most, when so many tasks are launched; undefined: as many as `spares`. */
  readonly sparesMax: number | undefined
  /** The pools, with numbers of their own where they have any; undefined: those of recent launches. */
  readonly sparePools: readonly NamedPool[] | undefined
}

/** A pool of the settings. */
export type NamedPool = PoolPlace & { readonly target?: number; readonly max?: number }

/** No instance type carries more interfaces on one network card (EC2 user guide). */
const SPARES_MAX = 100
const COUNT = `a whole number from 0 to ${SPARES_MAX}`

export const SPARE_SETTINGS: { readonly [K in keyof SpareConfig]: Setting<SpareConfig[K]> } = {
  spares: { default: '0', rule: `${COUNT}: warm spares for each pool, 0 for none`, parse: count },
  sparesMax: {
    default: '',
    rule: `${COUNT}: the most for each pool, or empty for as many as spares`,
    parse: count,
  },
  sparePools: {
    default: '',
    rule:
      'pools as subnet:group,group=target-max, separated by blanks or semicolons (groups and numbers ' +
      'may be left out), or empty for those of recent launches',
    parse: pools,
  },
}

/** What the settings together say. Whether that can be meant, `refusalOf` says. */
export function spareRules(config: SpareConfig): SpareRules {
  const { spares: target, sparesMax: max = target, sparePools = [] } = config
  const listed = sparePools.map((pool): PoolRule => {
    const own = pool.target ?? target
    return { ...pool, target: own, max: pool.max ?? Math.max(own, max) }
  })
  return { target, max, listed }
}

/** Why the rules cannot be meant, in words. */
export function refusalOf({ target, max, listed }: SpareRules): string | undefined {
  if (max < target) {
    return `sparesMax is ${max}, and spares is ${target}: the maximum cannot be below the target`
  }
  const wrong = listed.find((pool) => pool.max < pool.target)
  if (wrong !== undefined) {
    const name = nameOf(wrong)
    return `sparePools asks for ${wrong.target} to ${wrong.max} spares of ${name}: the maximum cannot be below the target`
  }
  const idle = listed.find((pool) => pool.max === 0)
  if (idle !== undefined) {
    return `sparePools names ${nameOf(idle)}, and there are to be 0 spares: set spares, or write ${nameOf(idle)}=1`
  }
  const keys = listed.map(poolKey)
  const twice = listed.find((pool, n) => keys.indexOf(poolKey(pool)) !== n)
  return twice && `sparePools names ${nameOf(twice)} twice`
}

/** Why an instance with so many slots for tasks cannot hold them, in words. */
export function tooMany(
  { target, listed }: SpareRules,
  slots: { readonly instanceType: string; readonly forTasks: number },
): string | undefined {
  const all = listed.length === 0 ? target : listed.reduce((sum, pool) => sum + pool.target, 0)
  if (all <= slots.forTasks) return undefined
  const where = listed.length === 0 ? 'spares is' : 'the targets of sparePools are together'
  return (
    `${where} ${all}, and this ${slots.instanceType} has ${slots.forTasks} ENI slots for tasks: ` +
    'ask for fewer, or use a larger instance type'
  )
}

/** A pool as it is written in the settings. */
export const nameOf = ({ subnetId, securityGroupIds }: PoolPlace): string =>
  securityGroupIds.length === 0 ? subnetId : `${subnetId}:${securityGroupIds.join(',')}`

function count(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) <= SPARES_MAX ? Number(text) : undefined
}

const POOL = /^(subnet-[\w-]+)(?::((?:sg-[\w-]+)(?:,sg-[\w-]+)*))?(?:=(\d+)(?:-(\d+))?)?$/

function pools(text: string): NamedPool[] | undefined {
  const words = text.split(/[\s;]+/).filter((word) => word !== '')
  const read = words.map(pool)
  return read.length === 0 || read.includes(undefined)
    ? undefined
    : read.filter((each) => each !== undefined)
}

function pool(word: string): NamedPool | undefined {
  const [, subnetId, groups, target, max] = POOL.exec(word) ?? []
  if (subnetId === undefined) return undefined
  const numbers = [target, max].map((text) => (text === undefined ? undefined : count(text)))
  if (target !== undefined && numbers[0] === undefined) return undefined
  if (max !== undefined && numbers[1] === undefined) return undefined
  const [least, most] = numbers
  return {
    subnetId,
    securityGroupIds: groups?.split(',') ?? [],
    ...(least === undefined ? {} : { target: least, max: most ?? least }),
  }
}
