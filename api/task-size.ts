// The size of a task as a whole: what it may use together. ECS takes units or vCPUs, MiB or GB, as
// texts, and answers with units and MiB. Whether the containers fit is for rules/memory.ts.

import type { CgroupSpec } from '../state/spec.ts'
import { clientError, shown } from './aws-error.ts'

/** ECS's texts. */
export type TaskSize = { readonly cpu?: string | undefined; readonly memory?: string | undefined }

/** ECS, for EC2: an eighth of a CPU to 192 CPUs. */
const CPU = { min: 128, max: 196_608 }
/** Docker's smallest container must fit; the largest number of 32 bits, MiB, is beyond any host. */
const MEMORY = { min: 6, max: 2 ** 31 - 1 }

/** What the texts say. Throws ClientException at one that says nothing, or too little. */
export function readSize({ cpu, memory }: TaskSize, path = ''): CgroupSpec {
  const cpuUnits = read(cpu, `${path}cpu`, {
    ...{ ...CPU, unit: /^v?cpus?$/i, perUnit: 1024, name: 'CPU units' },
    rule: '1024 units or "1 vCPU" are one CPU',
  })
  const memoryMiB = read(memory, `${path}memory`, {
    ...{ ...MEMORY, unit: /^gb$/i, perUnit: 1024, name: 'MiB' },
    rule: 'MiB, or gigabytes as in "2 GB"',
  })
  return {
    ...(cpuUnits === undefined ? {} : { cpuUnits }),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
  }
}

type Form = {
  readonly unit: RegExp
  readonly perUnit: number
  readonly rule: string
  readonly min: number
  readonly max: number
  readonly name: string
}

function read(text: string | undefined, field: string, form: Form): number | undefined {
  if (text === undefined || text === '') return undefined
  const [, digits = '', unit = ''] = /^(\d+|\d*\.\d+)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const isBare = unit === '' && /^\d+$/.test(digits)
  if (!isBare && !form.unit.test(unit)) throw clientError(field, `${shown(text)}: ${form.rule}`)
  const value = isBare ? Number(digits) : Math.round(Number(digits) * form.perUnit)
  if (value >= form.min && value <= form.max) return value
  throw clientError(field, `${value} is outside ${form.min} to ${form.max} ${form.name}`)
}

/** The size as ECS answers it. */
export const sizeTexts = ({ cpuUnits, memoryMiB }: CgroupSpec): TaskSize => ({
  ...(cpuUnits === undefined ? {} : { cpu: String(cpuUnits) }),
  ...(memoryMiB === undefined ? {} : { memory: String(memoryMiB) }),
})
