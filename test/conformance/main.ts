// `npm run conformance`: examines a lab of its own, or whoever speaks the EC2 API at --endpoint, with
// packets. Exit code: 0 all is as AWS documents it, 1 something is not, 2 it could not be asked.

import { parseArgs } from 'node:util'
import { examine, failuresOf, type Plan, type Report } from './conformance.ts'
import { MUTANTS } from './mutants.ts'
import { runMutants } from './mutate.ts'
import { columns, coveredTable, refusedTable } from './tables.ts'

const USAGE = `npm run conformance [-- OPTIONS]
  --endpoint URL   examine whoever speaks the EC2 API there; else a lab of its own. Interfaces of
                   ENIs attached to the instance must appear in this process's network namespace
  --instance ID    which of its instances this host is, where it has several; else as
                   AWS_EC2_METADATA_SERVICE_ENDPOINT says
  --outside NAME   a network namespace that holds a host outside the VPC, with public addresses; a lab of
                   its own has one. Without one the cases that need it are not asked
  --settle MS      how long a change may take after its call; 0
  --only TEXT      only cases (or mutants) whose name holds TEXT, and no random probes
  --seed N         of the random worlds; a new one each time, printed
  --probes N       random probes; 2000
  --rounds N       all of it so many times, each on a new stage; 1
  --mutants        break the lab on purpose, one mutant after another: each must be caught
  --json           one JSON document instead of tables`

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string' },
    instance: { type: 'string' },
    outside: { type: 'string' },
    settle: { type: 'string' },
    only: { type: 'string' },
    seed: { type: 'string' },
    probes: { type: 'string' },
    rounds: { type: 'string' },
    mutants: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

function number(name: 'settle' | 'seed' | 'probes' | 'rounds', fallback: number): number {
  const value = values[name] === undefined ? fallback : Number(values[name])
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`--${name} is '${values[name]}'; it must be a whole number, 0 or more`)
}

function planOf(round: number): Plan {
  const seed = number('seed', Math.floor(Math.random() * 2 ** 31))
  return {
    seed: seed + round,
    probes: values.only === undefined ? number('probes', 2000) : 0,
    settleMs: number('settle', 0),
    ...(values.endpoint === undefined ? {} : { endpoint: values.endpoint }),
    ...(values.instance === undefined ? {} : { instanceId: values.instance }),
    ...(values.outside === undefined ? {} : { outside: values.outside }),
    ...(values.only === undefined ? {} : { only: values.only }),
  }
}

function tell(report: Report): void {
  const { cases, notAsked, property, refusals, ms } = report
  console.log(`${report.endpoint}\n\n${coveredTable(cases)}\n`)
  if (refusals.length > 0) console.log(`${refusedTable(refusals)}\n`)
  if (property !== undefined) {
    const met = Object.entries(property.verdicts).map(([verdict, count]) => `${count} ${verdict}`)
    console.log(`${property.probes} random probes in ${property.rounds} worlds: ${met.join(', ')}`)
    console.log(`again: --seed ${property.seed}\n`)
  }
  if (notAsked.length > 0) {
    console.log(`NOT ASKED, for want of a host outside (--outside): ${notAsked.join(', ')}\n`)
  }
  const failures = failuresOf(report)
  for (const failure of failures) console.log(`FAILED ${failure}`)
  const all = cases.length
  const bad = cases.filter(({ failure }) => failure !== undefined).length
  console.log(
    `${all - bad} of ${all} cases, ${failures.length} failures, ${(ms / 1000).toFixed(1)} s`,
  )
}

async function rounds(): Promise<number> {
  let failed = 0
  for (let round = 0; round < Math.max(1, number('rounds', 1)); round++) {
    const report = await examine(planOf(round))
    if (values.json) console.log(JSON.stringify({ ...report, failures: failuresOf(report) }))
    else tell(report)
    if (failuresOf(report).length > 0) failed++
  }
  if (number('rounds', 1) > 1 && !values.json) {
    console.log(`${number('rounds', 1)} rounds, ${failed} with failures`)
  }
  return failed === 0 ? 0 : 1
}

async function mutants(): Promise<number> {
  const wanted = MUTANTS.filter(({ name }) => name.includes(values.only ?? ''))
  if (wanted.length === 0) throw new Error('no mutant has such a name')
  const results = await runMutants(wanted, (result) => {
    if (!values.json)
      console.log(`${result.caught ? 'caught  ' : 'SURVIVED'} ${result.name}: ${result.how}`)
  })
  if (values.json) console.log(JSON.stringify(results))
  const caught = results.filter((result) => result.caught).length
  if (!values.json) console.log(columns([[`${caught} of ${results.length} mutants caught`]]))
  return caught === results.length ? 0 : 1
}

if (values.help) console.log(USAGE)
else {
  try {
    process.exitCode = await (values.mutants ? mutants() : rounds())
  } catch (error) {
    console.error(`conformance: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 2
  }
}
