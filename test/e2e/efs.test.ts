// Goal: a task with EFS goes the whole way, from RunTask to mount(2) in its own network namespace, and
// where that fails it stops with the cause and leaves nothing. Method: the whole of the agent and the
// lab; the name of the file system is in /etc/hosts, as no resolver here knows it. The kernels of
// this suite have no NFS, so the last word is theirs: what stands behind that nobody has tried.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rig } from './rig.ts'

const fileSystemId = 'fs-0123456789abcdef0'
const folder = mkdtempSync('/tmp/enid-efs-')
let rig: Rig
let server = ''

beforeAll(async () => {
  rig = await Rig.open()
  server = `${fileSystemId}.efs.${rig.env.AWS_REGION}.amazonaws.com`
  const hosts = join(folder, 'hosts')
  // Nothing is there: 192.0.2.0/24 is for documents (RFC 5737).
  writeFileSync(hosts, `${readFileSync('/etc/hosts', 'utf8')}\n192.0.2.1 ${server}\n`)
  execFileSync('mount', ['--bind', hosts, '/etc/hosts'])
})
afterAll(async () => {
  await rig?.close()
  execFileSync('umount', ['/etc/hosts'])
  rmSync(folder, { recursive: true })
})

// P449
test('a task whose file system cannot be mounted stops with the cause, and leaves nothing', async () => {
  const efsVolumeConfiguration = { fileSystemId, rootDirectory: '/site' }
  const mountPoints = [{ sourceVolume: 'site', containerPath: '/site' }]
  const volumes = [{ name: 'site', efsVolumeConfiguration }]
  await rig.define('site', 'exec /busybox sleep 600', { mountPoints }, { volumes })
  const [id = ''] = await rig.run('site', [await rig.group('any')])
  const { stopCode, stoppedReason = '', containers } = await rig.waitFor(id, 'STOPPED', 100_000)
  expect(stopCode).toBe('TaskFailedToStart')
  const words = `ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: ${server}:/site: `
  expect(stoppedReason).toContain(words)
  const hasNfs = readFileSync('/proc/filesystems', 'utf8').includes('\tnfs4\n')
  // A kernel that has it is not answered by anybody.
  expect(stoppedReason).toMatch(
    hasNfs ? /timed out|unreachable|refused/ : /this kernel has no nfs4/,
  )
  // No program of the task saw an empty folder in its place.
  expect(containers?.[0]?.runtimeId).toBeUndefined()
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  expect(readdirSync(join(rig.env.ENID_STATE_DIR ?? '', 'mounts'))).toEqual([])
}, 120_000)
