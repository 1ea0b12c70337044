// The suite as a whole: a stage, every case, the property, the refusals, and what came of them.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Property, type PropertyResult } from './property/property.ts'
import { type RefusalResult, tryRefusals } from './refusals.ts'
import { ROWS } from './rows/rows.ts'
import { type CaseResult, CaseRunner, casesOf, needsOutside } from './run-rows.ts'
import { Ec2, startLab } from './stage/endpoint.ts'
import { Stage } from './stage/stage.ts'

/** What is examined, and how much of it. */
export type Plan = {
  /** Whoever speaks the EC2 API; none: a lab of our own, started for it. */
  readonly endpoint?: string
  /** Which of its instances this host is, where it has several. */
  readonly instanceId?: string
  /** How long a change may take after its call was answered, ms. None, unless told. */
  readonly settleMs?: number
  /** Only cases whose name holds this text. */
  readonly only?: string
  /** Only the cases of these names. */
  readonly names?: readonly string[]
  /** The network namespace of a host outside the VPC; of a lab of our own, its Internet's. */
  readonly outside?: string
  readonly seed: number
  /** Random probes at least; 0 for none. */
  readonly probes: number
  /** How long what must come is waited for, ms; 15 s, unless told. */
  readonly patienceMs?: number
  /** The checkout whose lab is started. */
  readonly tree?: string
  /** Told of each case as it ends. */
  readonly onCase?: (result: CaseResult) => void
}

/** What was found. */
export type Report = {
  readonly endpoint: string
  readonly cases: readonly CaseResult[]
  /** Cases that need a host outside the VPC, where none was named. */
  readonly notAsked: readonly string[]
  readonly property?: PropertyResult
  /** Only of a lab: another endpoint may do what the lab does not. */
  readonly refusals: readonly RefusalResult[]
  /** What went wrong around it: a stage that could not be taken down, a lab that died. */
  readonly trouble: readonly string[]
  readonly ms: number
}

/** Names of the checkout this file is in. */
export const REPOSITORY = join(import.meta.dirname, '../..')

/** Examines an endpoint. Rejects when no stage can be set; what fails on it is in the report. */
export async function examine(plan: Plan): Promise<Report> {
  const startedAt = performance.now()
  const asked = casesOf(ROWS).filter(({ name }) => wanted(plan, name))
  if (asked.length === 0 && plan.probes === 0) throw new Error('no case has such a name')
  // Two may run at once whose processes have the same number, each in a namespace of its own.
  const name = `conform-${randomBytes(4).toString('hex')}`
  const own =
    plan.endpoint === undefined ? await startLab(name, plan.tree ?? REPOSITORY) : undefined
  const outside = own === undefined ? plan.outside : `enid-lab-${name}.internet`
  const ec2 = new Ec2(plan.endpoint ?? own?.endpoint ?? '', plan.settleMs)
  const trouble: string[] = []
  const troubled = (error: unknown): void => void trouble.push(String(error))
  try {
    const found = await onStage({ ...plan, outside }, ec2, own !== undefined, troubled)
    return { endpoint: ec2.endpoint, ...found, trouble, ms: performance.now() - startedAt }
  } finally {
    ec2.end()
    await own?.end().catch(troubled)
  }
}

async function onStage(
  plan: Omit<Plan, 'outside'> & { readonly outside: string | undefined },
  ec2: Ec2,
  isOwn: boolean,
  troubled: (error: unknown) => void,
): Promise<Pick<Report, 'cases' | 'notAsked' | 'property' | 'refusals'>> {
  const stage = await Stage.open(ec2, plan.instanceId, plan.outside)
  try {
    if (plan.patienceMs !== undefined) stage.wire.patienceMs = plan.patienceMs
    const runner = new CaseRunner(stage)
    const cases: CaseResult[] = []
    const notAsked: string[] = []
    for (const each of casesOf(ROWS)) {
      if (!wanted(plan, each.name)) continue
      if (needsOutside(each.row) && !stage.hasOutside) {
        notAsked.push(each.name)
        continue
      }
      const result = await runner.run(each)
      cases.push(result)
      plan.onCase?.(result)
    }
    const { seed, probes } = plan
    const property =
      probes === 0
        ? {}
        : { property: await new Property(stage, runner.rules).run({ seed, probes }) }
    await runner.rules.restore()
    const refusals =
      isOwn && plan.only === undefined && plan.names === undefined ? await tryRefusals(stage) : []
    return { cases, notAsked, ...property, refusals }
  } finally {
    await stage.close().catch(troubled)
  }
}

const wanted = ({ only, names }: Pick<Plan, 'only' | 'names'>, name: string): boolean =>
  (only === undefined || name.includes(only)) && (names === undefined || names.includes(name))

/** Everything that is wrong in a report, a line each; none when all is well. */
export function failuresOf({ cases, property, refusals, trouble }: Report): string[] {
  return [
    ...cases.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`])),
    ...(property?.counterexample === undefined
      ? []
      : [`seed ${property.seed}: ${property.counterexample}`]),
    ...refusals.flatMap(({ failure }) => (failure === undefined ? [] : [failure])),
    ...trouble,
  ]
}
