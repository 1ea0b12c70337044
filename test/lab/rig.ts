// A lab for tests: the real EC2, IMDS and server on a free loopback port, over a fabric of memory,
// and an unmodified SDK client that speaks to it.

import {
  CreateNetworkInterfaceCommand,
  type CreateNetworkInterfaceCommandInput,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  EC2Client,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import { pino } from 'pino'
import { expect } from 'vitest'
import type { Clock } from '../../lab/faults/timers.ts'
import { Lab } from '../../lab/lab.ts'
import type { Keep } from '../../lab/region.ts'
import { makeServer } from '../../lab/server.ts'
import { FakeFabric } from './fake-fabric.ts'
import { FakeParts } from './fake-parts.ts'

/** A lab that is up, and the ids a test needs first. */
export type Rig = {
  readonly lab: Lab
  readonly fabric: FakeFabric
  /** What the lab's hosts are made of. */
  readonly parts: FakeParts
  readonly ec2: EC2Client
  readonly endpoint: string
  /** Resolves when POST /lab/down has been answered. */
  readonly down: Promise<void>
  readonly vpcId: string
  readonly instanceId: string
  /** The subnet in the instance's zone, and the one in the other. */
  readonly subnetA: string
  readonly subnetB: string
  readonly defaultGroup: string
  createEni(input?: Partial<CreateNetworkInterfaceCommandInput>): Promise<NetworkInterface & Ids>
  /** Its id. In the default VPC unless told. */
  makeGroup(name: string, vpcId?: string): Promise<string>
  query(body: string): Promise<{ status: number; text: string; headers: Headers }>
  end(): Promise<void>
}

type Ids = { NetworkInterfaceId: string; PrivateIpAddress: string; MacAddress: string }

/** Brings a lab up. The caller ends it. */
export async function makeRig(
  instanceType = 'lab.unlimited',
  clock?: Clock,
  keep: Keep = () => {},
): Promise<Rig> {
  const fabric = new FakeFabric()
  const log = pino({ level: 'silent' })
  const timed = clock === undefined ? {} : { clock }
  const lab = await Lab.open({ name: 'test', instanceType, fabric, log, keep, ...timed })
  const parts = new FakeParts()
  await lab.hosts.serve(parts)
  const asked = Promise.withResolvers<void>()
  const server = makeServer(lab, () => asked.resolve())
  const endpoint = await server.listen({ host: '127.0.0.1', port: 0 })
  const ec2 = new EC2Client({
    endpoint,
    region: 'us-west-2',
    maxAttempts: 1,
    credentials: { accessKeyId: 'enid-lab', secretAccessKey: 'enid-lab' },
  })
  const ids = await firstIds(ec2)
  return {
    lab,
    fabric,
    parts,
    ec2,
    endpoint,
    down: asked.promise,
    ...ids,
    async createEni(input = {}) {
      const made = await ec2.send(
        new CreateNetworkInterfaceCommand({ SubnetId: ids.subnetA, ...input }),
      )
      return made.NetworkInterface as NetworkInterface & Ids
    },
    async makeGroup(name, vpcId = ids.vpcId) {
      const group = { GroupName: name, Description: name, VpcId: vpcId }
      return (await ec2.send(new CreateSecurityGroupCommand(group))).GroupId ?? ''
    },
    async query(body) {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      })
      return { status: response.status, text: await response.text(), headers: response.headers }
    },
    async end() {
      ec2.destroy()
      lab.close()
      await server.close()
    },
  }
}

/** The error a call ended in, as code and message; fails when it did not. */
export async function errorOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error, 'the call must be refused').toBeInstanceOf(Error)
  const { name, message } = error as Error
  return { code: name, message }
}

async function firstIds(
  ec2: EC2Client,
): Promise<Pick<Rig, 'vpcId' | 'instanceId' | 'subnetA' | 'subnetB' | 'defaultGroup'>> {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const instance = Reservations?.[0]?.Instances?.[0]
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const inZone = (same: boolean): string =>
    Subnets.find((s) => (s.AvailabilityZone === instance?.Placement?.AvailabilityZone) === same)
      ?.SubnetId ?? ''
  const { SecurityGroups } = await ec2.send(
    new DescribeSecurityGroupsCommand({ GroupNames: ['default'] }),
  )
  return {
    vpcId: instance?.VpcId ?? '',
    instanceId: instance?.InstanceId ?? '',
    subnetA: inZone(true),
    subnetB: inZone(false),
    defaultGroup: SecurityGroups?.[0]?.GroupId ?? '',
  }
}
