// The one place that every EC2 call passes:
//
//   form ──▶ action and input ──▶ decide (in the region's queue, or at once) ──▶ XML, and the log
//
// Where the lab is told to misbehave, a plan stands between the input and the decision
// (lab/faults/); else there is none, and nothing is asked of it again.
//
// Whatever goes wrong becomes one EC2 error in EC2's XML; what is not a Refusal is a defect of the
// lab, answered as InternalError and logged with its stack.

import { randomBytes, randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { CallPlan, Delivery } from '../faults/call-plan.ts'
import { stretch } from '../faults/stretch.ts'
import type { Switchboard } from '../faults/switchboard.ts'
import { Refusal } from '../model/refusal.ts'
import type { Region } from '../region.ts'
import type { Action, Call } from './action.ts'
import { ACTIONS } from './actions.ts'
import type { CallLog } from './call-log.ts'
import { openToken, sealToken } from './page-token.ts'
import { type Node, readForm } from './wire/form.ts'
import { OPERATIONS, type Operation } from './wire/operations.ts'
import { readInput } from './wire/query.ts'
import { writeError, writeResponse } from './wire/xml.ts'

/** What a call needs of the lab. */
export type Ec2 = {
  readonly region: Region
  readonly calls: CallLog
  readonly log: Logger
  readonly faults: Switchboard
}

/** An answer, ready for the wire. */
export type Reply = {
  readonly status: number
  readonly requestId: string
  readonly body: string
  /** How it is to go out, where that is not as ever. */
  readonly delivery?: Delivery
}

/** Answers one EC2 query: the form-encoded text of its body or URL. Never rejects. */
export async function answerQuery(ec2: Ec2, text: string): Promise<Reply> {
  const requestId = randomUUID()
  const began = performance.now()
  let name = '(unknown)'
  let outcome = 'ok'
  let plan: CallPlan | undefined
  try {
    const form = readForm(text)
    const operation = takeOperation(form)
    name = operation.name
    const action = ACTIONS.get(name)
    if (action === undefined) {
      throw new Refusal('InvalidAction', `The lab does not implement the action ${name} of EC2.`)
    }
    const input = readInput(operation, action.honours, form)
    plan = ec2.faults.planCall(name, input)
    const output = await carryOut(ec2, action, input, plan)
    const body = writeResponse(operation, output, requestId)
    return delivered({ status: 200, requestId, body }, plan)
  } catch (error) {
    const refusal = refusalOf(error, ec2.log, requestId)
    outcome = refusal.code
    return delivered(refused(refusal, requestId), plan)
  } finally {
    const durationMs = Math.round((performance.now() - began) * 100) / 100
    const at = new Date().toISOString()
    const faults = plan === undefined || plan.hits.length === 0 ? {} : { faults: plan.hits }
    const record = { at, requestId, action: name, outcome, durationMs, ...faults }
    ec2.calls.add(record)
    ec2.log.info(record, 'ec2 call')
  }
}

/** The XML answer of a request that was refused before it became a call. */
export function refused(refusal: Refusal, requestId: string = randomUUID()): Reply {
  return { status: refusal.status, requestId, body: writeError(refusal, requestId) }
}

const delivered = (reply: Reply, plan: CallPlan | undefined): Reply =>
  plan === undefined ? reply : { ...reply, delivery: plan.delivery }

function carryOut(
  { region, faults }: Ec2,
  action: Action,
  input: object,
  plan: CallPlan | undefined,
): Promise<object> {
  if (plan === undefined) return run(region, action, input)
  return faults.carryOut(plan, () => run(region, action, input, plan))
}

async function run(
  region: Region,
  action: Action,
  input: object,
  plan?: CallPlan,
): Promise<object> {
  const call: Call = { now: new Date(), random: (length) => randomBytes(length) }
  // The input was read by the schema of this action's own name: its type is what the action says.
  const typed = input as never
  const dryRun = 'DryRun' in input && input.DryRun === true
  if ('read' in action) {
    const world = plan === undefined ? region.world : region.worldAgo(plan.lagMs)
    const output = action.read(world, openToken(action.name, typed) as never, call)
    if (dryRun) throw wouldHaveSucceeded()
    return sealToken(action.name, typed, output)
  }
  if (dryRun) {
    action.change(region.world, typed, call)
    throw wouldHaveSucceeded()
  }
  if (plan === undefined) return region.change((world) => action.change(world, typed, call))
  if (plan.unseenMs > 0) {
    refuseUnseen(() => action.change(region.worldAgo(plan.unseenMs), typed, call))
  }
  const [eniId] = action.name === 'AttachNetworkInterface' ? plan.facts.eniIds : []
  return region.change((world) => stretch(action.change(world, typed, call), eniId, plan))
}

/** Refuses what an earlier world would have refused as NotFound; it may say no for other reasons. */
function refuseUnseen(attempt: () => unknown): void {
  try {
    attempt()
  } catch (error) {
    if (error instanceof Refusal && error.code.endsWith('.NotFound')) throw error
  }
}

const wouldHaveSucceeded = (): Refusal =>
  new Refusal('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412)

/** Takes the protocol's own parameters out of the form; what remains is the action's input. */
function takeOperation(form: Node): Operation {
  const name = form.under.get('Action')?.value ?? ''
  const version = form.under.get('Version')?.value ?? VERSION
  for (const key of form.under.keys()) if (PROTOCOL.test(key)) form.under.delete(key)
  if (name === '') {
    throw new Refusal('MissingAction', 'The request must contain the parameter Action')
  }
  if (version !== VERSION) {
    throw new Refusal(
      'NoSuchVersion',
      `The requested version (${version}) of service AmazonEC2 does not exist: use ${VERSION}.`,
    )
  }
  const operation = OPERATIONS.get(name)
  if (operation === undefined) {
    throw new Refusal('InvalidAction', `The action ${name} is not valid for this web service.`)
  }
  return operation
}

const VERSION = '2016-11-15'

/** What belongs to the protocol and not to the action: the lab checks no signatures. */
const PROTOCOL =
  /^(Action|Version|AWSAccessKeyId|Signature|SignatureMethod|SignatureVersion|SecurityToken|Timestamp|Expires|X-Amz-[A-Za-z-]+)$/

function refusalOf(error: unknown, log: Logger, requestId: string): Refusal {
  if (error instanceof Refusal) return error
  log.error({ err: error, requestId }, 'a defect of the lab')
  return new Refusal('InternalError', 'An internal error has occurred in the lab: see its log', 500)
}
