// Goal: of two agents on one host one works, whatever they share; and the state of another instance
// (a cloned disk) is set aside as it is and never acted on. Method: agents started at one instant;
// a second lab, that is a second instance, on the same machine, given the first one's state.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AttachNetworkInterfaceCommand, CreateNetworkInterfaceCommand } from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')
const IDLE = 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done'

let rig: Rig
let clone: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('any')
  await rig.define('idle', IDLE)
})
afterAll(async () => {
  await clone?.close()
  await rig?.close()
})

const processes = async (of: Rig) =>
  must('docker', ['inspect', '--format', '{{.Id}} {{.State.Pid}}', ...(await of.containers())])

/** An agent of its own, and how it ends. */
function begin(env: Record<string, string>) {
  const child = spawn(ENID, ['agent'], {
    env: { ...process.env, ...rig.env, ENID_LISTEN: '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }))
  return { child, ended }
}

// P112
test.each([
  ['directory and socket', {}],
  ['directory', { ENID_SOCKET: '2' }],
  ['socket', { ENID_STATE_DIR: '2' }],
  ['instance', { ENID_SOCKET: '2', ENID_STATE_DIR: '2' }],
])(
  'of two agents started at one instant with one %s, one works and the other refuses',
  async (_what, apart) => {
    const [id = ''] = await rig.run('idle', [group])
    await rig.waitFor(id, 'RUNNING')
    const before = await processes(rig)
    await rig.endAgent('SIGKILL')
    const other = Object.fromEntries(
      Object.entries(apart).map(([name, more]) => [name, `${rig.env[name]}${more}`]),
    )
    const both = [begin({}), begin(other)]
    const refused = await Promise.race(both.map(({ ended }) => ended))
    expect(refused.code, refused.stderr).toBe(1)
    expect(refused.stderr).toMatch(/enid agent: another agent (works|answers) .*Stop it first/)
    // The one that works is killed: whoever comes next takes over at once.
    for (const { child } of both) child.kill('SIGKILL')
    const signals = (await Promise.all(both.map(({ ended }) => ended))).map(({ signal }) => signal)
    expect(signals.sort()).toEqual(['SIGKILL', null])
    await rig.startAgent()
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
    expect(await processes(rig)).toBe(before)
    await rig.stopAndWait(id)
  },
  180_000,
)

// P113
test('the state of another instance is set aside as it is, and nothing of it is acted on', async () => {
  const [id = ''] = await rig.run('idle', [group])
  await rig.waitFor(id, 'RUNNING')
  const [second = ''] = await rig.run('idle', [group])
  await rig.waitFor(second, 'RUNNING')
  const [before, enis] = [await processes(rig), await rig.enis()]
  await rig.endAgent('SIGKILL')

  clone = await Rig.open()
  await clone.endAgent('SIGTERM')
  const [from = '', to = ''] = [rig.env.ENID_STATE_DIR, clone.env.ENID_STATE_DIR]
  rmSync(to, { recursive: true })
  mkdirSync(to)
  const parts = ['', '-wal', '.bak'].filter((part) => existsSync(join(from, `enid.db${part}`)))
  expect(parts).toContain('-wal')
  for (const part of parts) copyFileSync(join(from, `enid.db${part}`), join(to, `enid.db${part}`))
  const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
  const digests = parts.map((part) => digest(join(from, `enid.db${part}`)))
  // One that wears the other's mark, in use here.
  const made = await clone.ec2.send(
    new CreateNetworkInterfaceCommand({
      SubnetId: await clone.subnetId(),
      TagSpecifications: [
        {
          ResourceType: 'network-interface',
          Tags: [
            { Key: 'enid:instance', Value: rig.instanceId },
            { Key: 'enid:holder', Value: id },
            { Key: 'enid:row', Value: 'eni:0' },
          ],
        },
      ],
    }),
  )
  const NetworkInterfaceId = made.NetworkInterface?.NetworkInterfaceId ?? ''
  await clone.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId,
      InstanceId: clone.instanceId,
      DeviceIndex: 5,
    }),
  )

  Object.assign(clone.env, { ENID_SWEEP_SCALE: '0.001', ENID_EC2_SHARE: '1' })
  await clone.startAgent()
  const aside = join(to, `enid.db.of-${rig.instanceId}`)
  expect(clone.agentLog).toContain('the state file is of another instance: set aside')
  expect(parts.map((part) => digest(`${aside}${part}`))).toEqual(digests)
  expect((await clone.enid('ps', '--json')).stdout).not.toContain(id)

  await clone.define('idle', IDLE)
  const [own = ''] = await clone.run('idle', [await clone.group('any')])
  const ownEni = fact(await clone.waitFor(own, 'RUNNING'), 'networkInterfaceId')
  for (let n = 0; n < 5; n++) {
    await clone.enid('sweep')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  expect((await clone.enis()).sort()).toEqual([NetworkInterfaceId, ownEni].sort())
  expect(await processes(rig)).toBe(before)
  expect(await rig.enis()).toEqual(enis)
  expect(parts.map((part) => digest(`${aside}${part}`))).toEqual(digests)
  await clone.stopAndWait(own)

  await rig.startAgent()
  for (const each of [id, second]) expect((await rig.task(each)).lastStatus).toBe('RUNNING')
  await rig.stopAndWait(id, second)
}, 120_000)

test('nothing is left', async () => {
  for (const each of [rig, clone]) expect(await each.containers()).toEqual([])
  expect(await rig.enis()).toEqual([])
  for (const each of [rig, clone]) {
    await each.close()
    expect(await each.leftovers()).toEqual([])
  }
}, 180_000)
