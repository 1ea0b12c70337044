// What EC2's error codes mean for us: one table, classified here, once; everybody else acts on the
// kind. The codes and their meaning: EC2 API reference, "Error codes", and the issue logs of the
// projects that met them in the wild. Codes are stable, messages nearly: a message is looked at only
// where one code has several meanings.
//
//   not in the table:   5xx, no answer ─▶ transient      *.NotFound ─▶ lost      other 4xx ─▶ refused

import { Failure, type FailureKind } from '../failure.ts'

/** What one code means. */
export type Ec2Meaning = {
  readonly kind: FailureKind
  readonly hint: string
  /** Another subnet or device index may work. */
  readonly ofChoice?: true
  /** EC2 holds us back, and will let us through. */
  readonly isAway?: true
}

const later: Ec2Meaning = { kind: 'transient', hint: '' }
const throttled: Ec2Meaning = {
  kind: 'transient',
  isAway: true,
  hint: 'EC2 limits the rate of calls for the whole account; it is tried again by itself.',
}
const noRoom: Ec2Meaning = {
  kind: 'refused',
  ofChoice: true,
  hint: 'The subnet has no free address: name another subnet in this zone, or free some addresses.',
}
const quota: Ec2Meaning = {
  kind: 'refused',
  hint: 'An account limit is reached: ask AWS to raise it under Service Quotas, or delete unused ENIs.',
}
const hostFull: Ec2Meaning = {
  kind: 'refused',
  hint: 'The instance type carries no more: stop a task, or use a larger type.',
}
const notAllowed: Ec2Meaning = {
  kind: 'refused',
  hint: 'See that the instance role has the policy from the README, and that the clock is right.',
}

/** The codes that mean something in particular. */
export const EC2_MEANINGS: Readonly<Record<string, Ec2Meaning>> = {
  RequestLimitExceeded: throttled,
  Throttling: throttled,
  ThrottlingException: throttled,
  EC2ThrottledException: throttled,
  Unavailable: later,
  ServiceUnavailable: later,
  InternalError: later,
  InternalFailure: later,
  RequestTimeout: later,
  IncorrectState: later,
  IncorrectInstanceState: later,
  ConcurrentTagAccess: later,
  DependencyViolation: later,
  'InvalidNetworkInterface.InUse': later,

  InsufficientFreeAddressesInSubnet: noRoom,
  InsufficientCidrBlocks: noRoom,
  'InvalidSubnetID.NotFound': {
    kind: 'refused',
    ofChoice: true,
    hint: 'Check the subnet id, and that the subnet is in this region and account.',
  },
  'InvalidSubnetId.NotFound': {
    kind: 'refused',
    ofChoice: true,
    hint: 'Check the subnet id, and that the subnet is in this region and account.',
  },
  'InvalidGroup.NotFound': {
    kind: 'refused',
    hint: "Check the security group ids: each must exist and be in the subnet's VPC.",
  },

  AddressLimitExceeded: quota,
  'InvalidAllocationID.NotFound': {
    kind: 'refused',
    hint: 'Check the allocation id, and that the address is of this region and account.',
  },
  'Resource.AlreadyAssociated': {
    kind: 'refused',
    hint: 'The address stands for another interface: disassociate it there, or name another one.',
  },
  'Gateway.NotAttached': {
    kind: 'refused',
    hint: 'A public address needs an internet gateway attached to the VPC.',
  },
  'InvalidIPAddress.InUse': {
    kind: 'refused',
    hint: 'Somebody has that address: free it, or ask for another one, or for none.',
  },

  AttachmentLimitExceeded: hostFull,
  PrivateIpAddressLimitExceeded: hostFull,
  'InvalidInterface.IpAddressLimitExceeded': hostFull,

  NetworkInterfaceLimitExceeded: quota,
  SecurityGroupsPerInterfaceLimitExceeded: {
    kind: 'refused',
    hint: 'An ENI wears at most 5 security groups unless the account has a higher limit.',
  },

  UnauthorizedOperation: notAllowed,
  AuthFailure: notAllowed,
  InvalidClientTokenId: notAllowed,
  RequestExpired: notAllowed,
  ExpiredToken: notAllowed,
  OptInRequired: notAllowed,
  OperationNotPermitted: notAllowed,
  IdempotentParameterMismatch: {
    kind: 'refused',
    ofChoice: true,
    hint: 'The subnet changed while the ENI was being made; another subnet or run gets a new token.',
  },
}

/** Whether a code says that we, or others of the account, call too often. */
export const isThrottle = (code: string): boolean => EC2_MEANINGS[code] === throttled

/** One code, several meanings: told apart by a part of the message. */
const BY_MESSAGE: readonly { readonly pattern: RegExp; readonly meaning: Ec2Meaning }[] = [
  { pattern: /aren't sufficient free/i, meaning: noRoom },
  {
    pattern: /already has an interface attached at device index/i,
    meaning: { kind: 'refused', ofChoice: true, hint: 'The next free device index is tried.' },
  },
  { pattern: /is currently in use/i, meaning: later },
  {
    pattern: /exceeded limit \d+ on the number of interface security group/i,
    meaning: {
      kind: 'refused',
      hint: 'An ENI wears at most 5 security groups unless the account has a higher limit.',
    },
  },
]

/** What the SDK throws: EC2's answer, or an error on the way there. */
type SdkError = Error & {
  readonly Code?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
}

/** EC2's code of an error, or the connection's (ECONNREFUSED), or undefined. */
export const codeOf = (error: unknown): string => {
  const { name, code, $metadata } = error as SdkError
  return $metadata?.httpStatusCode === undefined ? (code ?? name) : name
}

/** The request id under which AWS finds the call, where there is one. */
export const requestIdOf = (error: unknown): string | undefined =>
  (error as SdkError).$metadata?.requestId

function meaningOf(code: string, message: string, status: number): Ec2Meaning {
  if (code === 'InvalidParameterValue') {
    const special = BY_MESSAGE.find(({ pattern }) => pattern.test(message))
    if (special !== undefined) return special.meaning
  }
  const meaning = EC2_MEANINGS[code]
  if (meaning !== undefined) return meaning
  if (status >= 500) return later
  if (code.endsWith('.NotFound'))
    return { kind: 'lost', hint: 'It was deleted or detached outside.' }
  return { kind: 'refused', hint: '' }
}

/** The Failure for an error of one EC2 call. Its cause keeps what the SDK threw. */
export function ec2Failure(action: string, error: unknown, signal: AbortSignal): Failure {
  const { message, $metadata } = error as SdkError
  const status = $metadata?.httpStatusCode
  if (status === undefined) return onTheWay(action, error as SdkError, signal)
  const code = codeOf(error)
  const { kind, hint, ofChoice = false, isAway = false } = meaningOf(code, message, status)
  const request = requestIdOf(error)
  const text = `${action}: ${message}${request === undefined ? '' : ` (request ${request})`}`
  return new Failure(kind, code, text, { hint, ofChoice, isAway, cause: error })
}

/** EC2 did not answer, or we could not even ask. */
function onTheWay(action: string, error: SdkError, signal: AbortSignal): Failure {
  if (signal.aborted) {
    return new Failure('transient', 'Aborted', `${action} was given up`, { cause: error })
  }
  if (error.name === 'CredentialsProviderError') {
    return new Failure('transient', 'NoCredentials', `${action}: ${error.message}`, {
      hint: 'Give the instance a role with the policy from the README, or set AWS_ACCESS_KEY_ID.',
      cause: error,
    })
  }
  const why = error.message === '' ? codeOf(error) : error.message
  return new Failure('transient', 'Ec2Unreachable', `${action}: EC2 does not answer: ${why}`, {
    hint: 'See that the EC2 endpoint of the region can be reached from this host.',
    isAway: true,
    cause: error,
  })
}
