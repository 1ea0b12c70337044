// The one EC2 client. Endpoint, credentials and region come from the SDK's own settings, so that the
// lab and AWS look alike. Every call waits for its turn in the budget, is bounded in time, takes the
// step's signal, is told to an observer, and fails with a Failure. The SDK is loaded with the first
// call: it takes 0.4 s.
//
//   eni.ts, attachment.ts, … ──call('AttachNetworkInterface', {…})──▶ budget ──▶ SDK ──▶ EC2 or the lab

import type * as Sdk from '@aws-sdk/client-ec2'
import type { Ec2Called } from '../../state/task.ts'
import { BACKGROUND, type Budget, type Purpose } from '../budget.ts'
import { codeOf, ec2Failure, isThrottle, requestIdOf } from './ec2-failure.ts'

/** The actions we use: all there is in the IAM policy, with CreateTags for tags at creation. */
export type Ec2Actions = {
  AttachNetworkInterface: [Sdk.AttachNetworkInterfaceRequest, Sdk.AttachNetworkInterfaceResult]
  CreateNetworkInterface: [Sdk.CreateNetworkInterfaceRequest, Sdk.CreateNetworkInterfaceResult]
  DeleteNetworkInterface: [Sdk.DeleteNetworkInterfaceRequest, unknown]
  DescribeDhcpOptions: [Sdk.DescribeDhcpOptionsRequest, Sdk.DescribeDhcpOptionsResult]
  DescribeInstances: [Sdk.DescribeInstancesRequest, Sdk.DescribeInstancesResult]
  DescribeInstanceTypes: [Sdk.DescribeInstanceTypesRequest, Sdk.DescribeInstanceTypesResult]
  DescribeNetworkInterfaces: [
    Sdk.DescribeNetworkInterfacesRequest,
    Sdk.DescribeNetworkInterfacesResult,
  ]
  DescribeSubnets: [Sdk.DescribeSubnetsRequest, Sdk.DescribeSubnetsResult]
  DescribeVpcs: [Sdk.DescribeVpcsRequest, Sdk.DescribeVpcsResult]
  DetachNetworkInterface: [Sdk.DetachNetworkInterfaceRequest, unknown]
  ModifyNetworkInterfaceAttribute: [Sdk.ModifyNetworkInterfaceAttributeRequest, unknown]
} & PublicIpActions
export type Ec2Action = keyof Ec2Actions

/** Called only for tasks with a public address: docs/extensions.md has the policy for these. */
type PublicIpActions = {
  AllocateAddress: [Sdk.AllocateAddressRequest, Sdk.AllocateAddressResult]
  AssociateAddress: [Sdk.AssociateAddressRequest, Sdk.AssociateAddressResult]
  DescribeAddresses: [Sdk.DescribeAddressesRequest, Sdk.DescribeAddressesResult]
  DisassociateAddress: [Sdk.DisassociateAddressRequest, unknown]
  ReleaseAddress: [Sdk.ReleaseAddressRequest, unknown]
}

/** One call as it went. `code` is absent when it succeeded; `waitedMs`: for its turn. */
export type Ec2Call = Ec2Called & { readonly action: Ec2Action; readonly waitedMs: number }

export type Ec2 = {
  /**
   * Makes one call, when its turn has come. An input that is a function is asked for only then.
   * Without a purpose it goes last. Rejects with a Failure, classified by ec2-failure.ts.
   */
  call<A extends Ec2Action>(
    action: A,
    input: Ec2Actions[A][0] | (() => Ec2Actions[A][0]),
    signal: AbortSignal,
    purpose?: Purpose,
  ): Promise<Ec2Actions[A][1]>
  /** Whether a call that may be in vain can be afforded; always without a budget. */
  hasPlenty?(action: Ec2Action): boolean
  /** Loads the SDK now, so that the first call need not wait for it. */
  warmUp(): Promise<void>
  /** Closes its connections. */
  close(): Promise<void>
}

export type Ec2Options = {
  /** Where AWS_REGION is not set: the host's own, from IMDS. */
  readonly region?: string
  /** Called after each call, for metrics and logs. */
  readonly onCall?: (call: Ec2Call) => void
  /** Multiplies the two timeouts. */
  readonly timeoutScale?: number
  /** How often it may call; without one, as often as it is asked to. */
  readonly budget?: Budget
}

/** AttachNetworkInterface took up to 3 s in the logs that were found; a dead connection never ends. */
const TIMEOUT_MS = { connect: 2_000, request: 10_000 }

/** Opens the client. Nothing is loaded or connected before the first call. */
export function openEc2(options: Ec2Options = {}): Ec2 {
  const { region, onCall, budget, timeoutScale = 1 } = options
  let opening: Promise<Client> | undefined
  const client = (): Promise<Client> => {
    opening ??= openClient(region, timeoutScale)
    return opening
  }

  return {
    async call(action, input, signal, purpose = BACKGROUND) {
      const { send } = await client()
      const asked = performance.now()
      const turn = await budget?.turn(action, purpose, signal)
      const begun = performance.now()
      const tell = (requestId: string | undefined, code?: string) => {
        const times = { ms: Math.round(performance.now() - begun), waitedMs: begun - asked }
        const id = requestId === undefined ? {} : { requestId }
        const call = { action, ...times, ...id, ...(code === undefined ? {} : { code }) }
        onCall?.(call)
        for (const step of purpose.rows ?? []) step.onCall?.(call)
      }
      try {
        const sent = send(action, typeof input === 'function' ? input() : input, signal)
        const { output, requestId } = await sent
        tell(requestId)
        return output
      } catch (error) {
        const code = codeOf(error)
        tell(requestIdOf(error), code)
        if (isThrottle(code)) turn?.throttled()
        throw ec2Failure(action, error, signal)
      }
    },

    hasPlenty: (action) => budget?.hasPlenty(action) ?? true,

    async warmUp() {
      await client()
    },

    async close() {
      if (opening !== undefined) (await opening).destroy()
    },
  }
}

type Client = {
  send<A extends Ec2Action>(
    action: A,
    input: Ec2Actions[A][0],
    signal: AbortSignal,
  ): Promise<{ output: Ec2Actions[A][1]; requestId: string | undefined }>
  destroy(): void
}

async function openClient(region: string | undefined, timeoutScale: number): Promise<Client> {
  const sdk = await import('./ec2-commands.ts')
  const client = new sdk.EC2Client({
    ...(process.env.AWS_REGION === undefined && region !== undefined ? { region } : {}),
    // The runner repeats. It looks first, which the SDK, repeating a call without a token, would not.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: TIMEOUT_MS.connect * timeoutScale,
      requestTimeout: TIMEOUT_MS.request * timeoutScale,
      throwOnRequestTimeout: true,
    },
  })
  const commands = {
    AllocateAddress: sdk.AllocateAddressCommand,
    AssociateAddress: sdk.AssociateAddressCommand,
    AttachNetworkInterface: sdk.AttachNetworkInterfaceCommand,
    CreateNetworkInterface: sdk.CreateNetworkInterfaceCommand,
    DeleteNetworkInterface: sdk.DeleteNetworkInterfaceCommand,
    DescribeAddresses: sdk.DescribeAddressesCommand,
    DescribeDhcpOptions: sdk.DescribeDhcpOptionsCommand,
    DescribeInstances: sdk.DescribeInstancesCommand,
    DescribeInstanceTypes: sdk.DescribeInstanceTypesCommand,
    DescribeNetworkInterfaces: sdk.DescribeNetworkInterfacesCommand,
    DescribeSubnets: sdk.DescribeSubnetsCommand,
    DescribeVpcs: sdk.DescribeVpcsCommand,
    DetachNetworkInterface: sdk.DetachNetworkInterfaceCommand,
    DisassociateAddress: sdk.DisassociateAddressCommand,
    ReleaseAddress: sdk.ReleaseAddressCommand,
    ModifyNetworkInterfaceAttribute: sdk.ModifyNetworkInterfaceAttributeCommand,
  }
  return {
    async send(action, input, abortSignal) {
      // The table above pairs each action with its command; the type checker cannot follow the key.
      const Command = commands[action] as unknown as new (input: unknown) => AnyCommand
      const output = await client.send(new Command(input), { abortSignal })
      const { requestId } = (output as Sdk.AttachNetworkInterfaceCommandOutput).$metadata
      return { output, requestId }
    },
    destroy: () => client.destroy(),
  }
}

type AnyCommand = Parameters<Sdk.EC2Client['send']>[0]
