// What EC2 says when it says no. Every rule of the lab's EC2 ends in one of these; only
// lab/ec2/call.ts turns it into XML. It lives in the model because the rules do.

/** One EC2 error: a code that clients match on, a message that people read, an HTTP status. */
export class Refusal extends Error {
  readonly code: string
  readonly status: number

  /** `status` is 400 for all but a few: 412 DryRunOperation, 403, 413, 415, 500. */
  constructor(code: string, message: string, status = 400) {
    super(message)
    this.name = 'Refusal'
    this.code = code
    this.status = status
  }
}

/** A value that breaks a rule: `InvalidParameterValue`, worded as EC2 words it. */
export function badValue(parameter: string, value: string | number, rule: string): Refusal {
  return new Refusal(
    'InvalidParameterValue',
    `Value (${value}) for parameter ${parameter} is invalid. ${rule}`,
  )
}

/** Something EC2 can do and the lab cannot: said by name, never left out in silence. */
export function notInLab(what: string, remedy: string): Refusal {
  return new Refusal('UnsupportedOperation', `The lab does not implement ${what}. ${remedy}`)
}
