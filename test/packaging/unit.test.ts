// Goal: the unit file is one that systemd understands, and as narrow as the agent allows. Method:
// systemd's own tools, offline, over a copy whose command exists.

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const UNIT = join(import.meta.dirname, '../../systemd/enid.service')
const text = readFileSync(UNIT, 'utf8')
let folder: string
let copy: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'enid-unit-'))
  copy = join(folder, 'enid.service')
  writeFileSync(copy, text.replace('/usr/bin/enid agent', '/bin/true'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const analyze = (...args: string[]) => {
  const result = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  if (result.error !== undefined) throw result.error
  return result
}

test('systemd has nothing to say against the unit', () => {
  const { status, stderr, stdout } = analyze('verify', '--man=no', copy)
  // verify returns 0 on a bad value and only prints it.
  expect(stderr + stdout).toBe('')
  expect(status).toBe(0)
})

test('nor against what hosts with EFS put beside it, which adds and takes nothing', () => {
  const beside = join(folder, 'enid.service.d')
  mkdirSync(beside)
  copyFileSync(join(import.meta.dirname, '../../systemd/efs.conf'), join(beside, 'efs.conf'))
  try {
    const { status, stderr, stdout } = analyze('verify', '--man=no', copy)
    expect(stderr + stdout).toBe('')
    expect(status).toBe(0)
    const all = JSON.parse(
      analyze('security', '--offline=true', '--json=short', copy).stdout,
    ) as readonly { readonly name: string | null; readonly set: boolean | null }[]
    const isBound = (name: string) => all.find((each) => each.name?.includes(name))?.set
    for (const name of ['~CAP_SYS_PTRACE', '~CAP_SYS_CHROOT', '~CAP_NET_ADMIN', '~CAP_KILL']) {
      expect(isBound(name), name).toBe(false)
    }
    for (const name of ['Namespaces=~mnt', 'Namespaces=~net', 'Filter=~@mount']) {
      expect(isBound(name), name).toBe(false)
    }
    for (const name of ['~CAP_SYS_MODULE', 'Namespaces=~user', 'Filter=~@reboot']) {
      expect(isBound(name), name).toBe(true)
    }
  } finally {
    rmSync(beside, { recursive: true })
  }
})

test('a mistake in a unit is seen', () => {
  const broken = join(folder, 'broken.service')
  writeFileSync(broken, text.replace('/usr/bin/enid agent', '/bin/true').replace('=always', '=yes'))
  expect(analyze('verify', '--man=no', broken).stderr).toContain('restart specifier')
})

// P186
test("systemd's own rating of its exposure is at most 3.5 of 10", () => {
  const { status, stdout } = analyze('security', '--offline=true', '--threshold=35', copy)
  expect(stdout).toContain('Overall exposure level')
  expect(status).toBe(0)
})

test('a crash loop never ends in a unit that is not restarted any more', () => {
  expect(text).toMatch(/^Restart=always$/m)
  expect(text).toMatch(/^StartLimitIntervalSec=0$/m)
})

// P444
test('what listens in the tasks is kept over a restart, by a service that may say so, and not over a stop', () => {
  expect(text).toMatch(/^FileDescriptorStoreMax=1024$/m)
  expect(text).toMatch(/^NotifyAccess=main$/m)
  // `yes` would keep the namespaces, and the cards, of tasks that end after the agent was stopped.
  expect(text).not.toMatch(/^FileDescriptorStorePreserve=/m)
  const broken = join(folder, 'store.service')
  const wrong = text
    .replace('/usr/bin/enid agent', '/bin/true')
    .replace('StoreMax=1024', 'StoreMax=x')
  writeFileSync(broken, wrong)
  expect(analyze('verify', '--man=no', broken).stderr).toContain('parse unsigned value')
})

test('the agent may call what Node and a namespace need', () => {
  expect(text).toMatch(/^SystemCallFilter=@system-service @pkey setns$/m)
  expect(text).toMatch(/^RestrictNamespaces=net$/m)
  expect(text).toMatch(/^CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_ADMIN CAP_KILL$/m)
  expect(text).not.toMatch(/^ProtectControlGroups=/m)
})
