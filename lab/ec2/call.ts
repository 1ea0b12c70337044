// The one place that every EC2 call passes:
//
//   form ──▶ action and input ──▶ decide (in the region's queue, or at once) ──▶ XML, and the log
//
// Whatever goes wrong becomes one EC2 error in EC2's XML; what is not a Refusal is a defect of the
// lab, answered as InternalError and logged with its stack.

import { randomBytes, randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { Refusal } from '../model/refusal.ts'
import type { Region } from '../region.ts'
import type { Action, Call } from './action.ts'
import { ACTIONS } from './actions.ts'
import type { CallLog } from './call-log.ts'
import { type Node, readForm } from './wire/form.ts'
import { OPERATIONS, type Operation } from './wire/operations.ts'
import { readInput } from './wire/query.ts'
import { writeError, writeResponse } from './wire/xml.ts'

/** What a call needs of the lab. */
export type Ec2 = { readonly region: Region; readonly calls: CallLog; readonly log: Logger }

/** An answer, ready for the wire. */
export type Reply = {
  readonly status: number
  readonly requestId: string
  readonly body: string
}

/** Answers one EC2 query: the form-encoded text of its body or URL. Never rejects. */
export async function answerQuery(ec2: Ec2, text: string): Promise<Reply> {
  const requestId = randomUUID()
  const began = performance.now()
  let name = '(unknown)'
  let outcome = 'ok'
  try {
    const form = readForm(text)
    const operation = takeOperation(form)
    name = operation.name
    const action = ACTIONS.get(name)
    if (action === undefined) {
      throw new Refusal('InvalidAction', `The lab does not implement the action ${name} of EC2.`)
    }
    const input = readInput(operation, action.honours, form)
    const output = await run(ec2.region, action, input)
    return { status: 200, requestId, body: writeResponse(operation, output, requestId) }
  } catch (error) {
    const refusal = refusalOf(error, ec2.log, requestId)
    outcome = refusal.code
    return refused(refusal, requestId)
  } finally {
    const durationMs = Math.round((performance.now() - began) * 100) / 100
    const at = new Date().toISOString()
    const record = { at, requestId, action: name, outcome, durationMs }
    ec2.calls.add(record)
    ec2.log.info(record, 'ec2 call')
  }
}

/** The XML answer of a request that was refused before it became a call. */
export function refused(refusal: Refusal, requestId: string = randomUUID()): Reply {
  return { status: refusal.status, requestId, body: writeError(refusal, requestId) }
}

async function run(region: Region, action: Action, input: object): Promise<object> {
  const call: Call = { now: new Date(), random: (length) => randomBytes(length) }
  // The input was read by the schema of this action's own name: its type is what the action says.
  const typed = input as never
  const dryRun = 'DryRun' in input && input.DryRun === true
  if ('read' in action) {
    const output = action.read(region.world, typed, call)
    if (dryRun) throw wouldHaveSucceeded()
    return output
  }
  if (dryRun) {
    action.change(region.world, typed, call)
    throw wouldHaveSucceeded()
  }
  return region.change((world) => action.change(world, typed, call))
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
