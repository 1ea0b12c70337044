// A fresh small EC2 for each test of a file, the real client over it, and the drivers over that.

import { afterAll, beforeEach } from 'vitest'
import { attachmentDriver } from '../../agent/drivers/attachment.ts'
import type { Details, Driver, Job } from '../../agent/drivers/driver.ts'
import { type Ec2, type Ec2Call, openEc2 } from '../../agent/drivers/ec2.ts'
import { eniDriver } from '../../agent/drivers/eni.ts'
import { openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { guardDriver } from '../../agent/drivers/guard.ts'
import { openSubnets, type Subnets } from '../../agent/drivers/subnets.ts'
import type { Host } from '../../agent/orders.ts'
import { FakeEc2 } from './fake-ec2.ts'
import { job, never, newHolderId, newHost } from './jobs.ts'

export type Ec2Rig = {
  readonly host: Host
  readonly calls: Ec2Call[]
  fake: FakeEc2
  ec2: Ec2
  subnets: Subnets
  /** How often the attachment driver said that a slot is taken. */
  takenCount: number
  /** Leaves groups that somebody changed, unless told to put them back. */
  eni(options?: { keepGroups: boolean }): Driver<'eni'>
  attachment(): Driver<'attachment'>
  guard(): Driver<'guard'>
  /** An ENI that is there, and its holder. */
  withEni(): Promise<{ details: Details['eni']; holderId: string }>
}

/** A job of `eni:0` in subnet-a. */
export const eniJob = (change: Parameters<typeof job>[1] = {}): Job =>
  job('eni:0', { choice: 'subnet-a', ...change })

/** Hooks a new one up before each test of the file. */
export function useEc2(): Ec2Rig {
  const rig = {
    host: newHost(),
    calls: [] as Ec2Call[],
    eni: (options = { keepGroups: false }) =>
      eniDriver({ ...rig, ...options, lookup: openEniLookup(rig.ec2) }),
    attachment() {
      const onTaken = () => {
        rig.takenCount += 1
      }
      return attachmentDriver({ ...rig, lookup: openEniLookup(rig.ec2), onTaken })
    },
    guard: () => guardDriver(rig),
    async withEni() {
      const holderId = newHolderId()
      const details = await rig.eni().ensure(eniJob({ holderId }), never())
      rig.fake.actions()
      return { details, holderId }
    },
  } as Ec2Rig

  async function close(): Promise<void> {
    await rig.ec2?.close()
    rig.fake?.close()
  }

  beforeEach(async () => {
    await close()
    rig.fake = new FakeEc2(rig.host.instanceId)
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-west-2',
      AWS_ENDPOINT_URL_EC2: await rig.fake.open(),
    })
    rig.ec2 = openEc2({ onCall: (call) => rig.calls.push(call) })
    rig.subnets = openSubnets({ ec2: rig.ec2, vpcId: 'vpc-1' })
    rig.calls.length = 0
    rig.takenCount = 0
  })
  afterAll(close)
  return rig
}
