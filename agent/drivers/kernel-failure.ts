// What the kernel's refusals mean for us. Classified here, once; everybody else acts on the kind.

import { Failure } from '../failure.ts'
import { KernelError } from './kernel/kernel-error.ts'

/**
 * The Failure for an error of the kernel hands. What is neither the kernel's nor an abort is ours,
 * and thrown on as it is.
 */
export function kernelFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if ((error as Error).name === 'AbortError') {
    return new Failure('transient', 'Aborted', 'the step was given up', { cause: error })
  }
  if (!(error instanceof KernelError)) throw error
  const { errno, message, netns } = error
  if (errno === 'ETIMEDOUT' || errno === 'ENODEV') {
    return new Failure('transient', 'LinkNotSeen', message, {
      hint: 'EC2 attached the ENI, but its network card is not on this host yet.',
      cause: error,
    })
  }
  if (errno === 'EHOSTUNREACH') {
    return new Failure('refused', 'GatewaySilent', message, {
      hint: "Check that the subnet's router is reachable: the ENI's subnet, a firewall, a bridge.",
      cause: error,
    })
  }
  // EINVAL: the path leads to no namespace, or to another one by now.
  if (netns !== undefined && (errno === 'ENOENT' || errno === 'EINVAL')) {
    return new Failure('lost', 'PauseGone', message, {
      hint: 'The task has no network any more: run it again.',
      cause: error,
    })
  }
  if (errno === 'EPERM' || errno === 'EACCES') {
    return new Failure('refused', 'KernelRefused', message, {
      hint: 'The agent needs CAP_NET_ADMIN and CAP_SYS_ADMIN, best as root.',
      cause: error,
    })
  }
  // An expectation that cannot be met is a mistake of ours.
  if (errno === 'EINVAL') throw error
  return new Failure('transient', 'KernelRefused', message, { cause: error })
}
