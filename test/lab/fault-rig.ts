// A lab that is told to misbehave, for tests: a clock that stands still until it is told, the lab's
// routes, and the few EC2 calls that an ENI's life is made of.

import {
  AttachNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import type { FaultView } from '../../lab/faults/switchboard.ts'
import type { Clock } from '../../lab/faults/timers.ts'
import { makeRig, type Rig } from './rig.ts'

/** A clock that passes when it is told to. */
export class ManualClock implements Clock {
  #nowMs = 1000
  #pending: { readonly atMs: number; readonly work: () => void }[] = []
  #started = Promise.withResolvers<void>()

  nowMs(): number {
    return this.#nowMs
  }

  start(ms: number, work: () => void): () => void {
    const entry = { atMs: this.#nowMs + ms, work }
    this.#pending.push(entry)
    this.#started.resolve()
    return () => {
      this.#pending = this.#pending.filter((each) => each !== entry)
    }
  }

  /** Resolves when something waits for the clock. */
  async waited(): Promise<void> {
    while (this.#pending.length === 0) {
      this.#started = Promise.withResolvers()
      await this.#started.promise
    }
  }

  /** How many whole milliseconds from now each thing waits for, soonest first. */
  get ahead(): number[] {
    return this.#pending.map(({ atMs }) => Math.round(atMs - this.#nowMs)).sort((a, b) => a - b)
  }

  /** Lets time pass, and does what falls due in it, in order. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const due = this.#pending.filter(({ atMs }) => atMs <= untilMs)
      const [next] = due.sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#pending = this.#pending.filter((each) => each !== next)
      this.#nowMs = next.atMs
      next.work()
    }
    this.#nowMs = untilMs
  }
}

/** A lab, its clock, and hands. */
export type FaultRig = Rig & {
  readonly clock: ManualClock
  /** Lets time pass, and waits until the world has followed. */
  pass(ms: number): Promise<void>
  /** Lets time pass, in steps, until the call has ended. */
  answered<T>(call: Promise<T>, stepMs?: number): Promise<T>
  fault(name: string, options?: object): Promise<FaultView>
  faults(): Promise<FaultView[]>
  /** Asks one of the lab's routes; the status and the answer. */
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; answer: Answer }>
  attach(eniId: string | undefined, deviceIndex?: number): Promise<string>
  detach(attachmentId: string): Promise<unknown>
  remove(eniId: string | undefined): Promise<unknown>
  describe(eniId: string | undefined): Promise<NetworkInterface>
  /** A new ENI that is attached, wearing that task's tag if one is named. */
  attached(task?: string): Promise<NetworkInterface & { NetworkInterfaceId: string }>
}

/** What a route answered: its members, and its error's words. */
export type Answer = Record<string, unknown> & { readonly error?: { readonly message: string } }

/** The tags by which an ENI is a task's. */
export const ofTask = (task: string) => ({
  TagSpecifications: [
    { ResourceType: 'network-interface' as const, Tags: [{ Key: 'enid:holder', Value: task }] },
  ],
})

/** Brings such a lab up. The caller ends it. */
export async function makeFaultRig(instanceType?: string): Promise<FaultRig> {
  const clock = new ManualClock()
  const rig = await makeRig(instanceType, clock)
  let index = 0
  const ask: FaultRig['ask'] = async (method, path, body) => {
    const json = { 'content-type': 'application/json' }
    const response = await fetch(`${rig.endpoint}/lab/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: json }),
    })
    return { status: response.status, answer: (await response.json()) as Answer }
  }
  const attach: FaultRig['attach'] = async (eniId, deviceIndex = ++index) => {
    const { AttachmentId = '' } = await rig.ec2.send(
      new AttachNetworkInterfaceCommand({
        NetworkInterfaceId: eniId,
        InstanceId: rig.instanceId,
        DeviceIndex: deviceIndex,
        NetworkCardIndex: 0,
      }),
    )
    return AttachmentId
  }
  const pass: FaultRig['pass'] = async (ms) => {
    clock.pass(ms)
    // The region does one thing after the other: when this is done, what fell due is done.
    await rig.lab.region.change((world) => ({ world, output: undefined }))
  }
  return {
    ...rig,
    clock,
    ask,
    attach,
    pass,
    async answered(call, stepMs = 100) {
      let ended = false
      const end = call.then(
        () => undefined,
        () => undefined,
      )
      const watch = end.then(() => {
        ended = true
      })
      while (!ended) {
        await Promise.race([watch, clock.waited()])
        if (!ended) await pass(stepMs)
        // What fell due may go over a socket before anything waits again.
        await new Promise((resolve) => setImmediate(resolve))
      }
      return call
    },
    async fault(name, options = {}) {
      const { status, answer } = await ask('POST', 'faults', { name, ...options })
      if (status === 200) return answer as unknown as FaultView
      throw new Error(answer.error?.message)
    },
    async faults() {
      return (await ask('GET', 'faults')).answer.faults as FaultView[]
    },
    detach: (attachmentId) =>
      rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId })),
    remove: (eniId) =>
      rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eniId })),
    async describe(eniId) {
      const { NetworkInterfaces } = await rig.ec2.send(
        new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId ?? ''] }),
      )
      return NetworkInterfaces?.[0] as NetworkInterface
    },
    async attached(task) {
      const eni = await rig.createEni(task === undefined ? {} : ofTask(task))
      await attach(eni.NetworkInterfaceId)
      return eni
    },
  }
}
