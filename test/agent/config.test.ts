// Goal: a setting is used or refused, never ignored; every refusal names the setting, its value and
// the rule. Method: plain calls, one temporary file.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import { spareRules, tooMany } from '../../agent/spare-config.ts'

const dir = mkdtempSync(join(tmpdir(), 'enid-config-'))
afterAll(() => rmSync(dir, { recursive: true }))
const file = (text: string) => {
  const path = join(dir, 'enid.json')
  writeFileSync(path, text)
  return path
}

describe('settings', () => {
  test('have defaults that work', () => {
    expect(readConfig({ PATH: '/bin' })).toEqual({
      stateDir: '/var/lib/enid',
      socket: '/run/enid/enid.sock',
      listen: undefined,
      logLevel: 'info',
      timeoutScale: 1,
      sweepScale: 1,
      ec2Share: 0.1,
      keepGroups: false,
      rolesFile: undefined,
      secretsDir: '/etc/enid/secrets',
      retentionMs: 10_800_000,
      imagePullBehavior: 'default',
      registryAuth: undefined,
      reservedMemory: 0,
      imageCleanup: 'pulled',
      imageCleanupIntervalMs: 1_800_000,
      imageMinimumAgeMs: 3_600_000,
      imagesPerCleanup: 5,
      imageCleanupExclude: [],
      privileged: false,
      spares: 0,
      sparesMax: undefined,
      sparePools: undefined,
      netAdmin: false,
    })
  })

  test('come from the file, and the environment wins over it', () => {
    const path = file('{ "stateDir": "/var/a", "timeoutScale": 2 }')
    const config = readConfig({
      ENID_CONFIG: path,
      ENID_STATE_DIR: '/var/b',
      ENID_LISTEN: '[::1]:51680',
    })
    expect(config.stateDir).toBe('/var/b')
    expect(config.timeoutScale).toBe(2)
    expect(config.listen).toEqual({ host: '::1', port: 51_680 })
    expect(readConfig({ ENID_KEEP_GROUPS: 'true' }).keepGroups).toBe(true)
    expect(readConfig({ ENID_LISTEN: '' }).listen).toBeUndefined()
  })

  test.each([
    [{ ENID_STATE_DIRR: '/x' }, /ENID_STATE_DIRR.*Nearest: ENID_STATE_DIR/],
    [{ ENID_STATE_DIR: 'relative' }, /ENID_STATE_DIR is "relative".*absolute path/],
    [{ ENID_SOCKET: `/${'x'.repeat(120)}` }, /ENID_SOCKET.*107 bytes/],
    [{ ENID_LISTEN: '0.0.0.0:51680' }, /ENID_LISTEN is "0\.0\.0\.0:51680".*loopback/],
    [{ ENID_LISTEN: '127.0.0.1:0' }, /loopback address and a port/],
    [{ ENID_LISTEN: '127.0.0.1:70000' }, /loopback address and a port/],
    [{ ENID_LOG_LEVEL: 'loud' }, /ENID_LOG_LEVEL is "loud".*fatal, error/],
    [{ ENID_TIMEOUT_SCALE: 'fast' }, /ENID_TIMEOUT_SCALE is "fast".*0\.1 to 100/],
    [{ ENID_TIMEOUT_SCALE: ' ' }, /0\.1 to 100/],
    [{ ENID_EC2_SHARE: '0' }, /ENID_EC2_SHARE is "0".*0\.01 to 1/],
    [{ ENID_KEEP_GROUPS: 'yes' }, /ENID_KEEP_GROUPS is "yes".*true .* or false/],
    [{ ENID_RETENTION_MS: '1' }, /ENID_RETENTION_MS is "1"/],
    [{ ENID_IMAGE_PULL_BEHAVIOR: 'never' }, /"never".*default, always, once, prefer-cached/],
    [{ ENID_REGISTRY_AUTH: 'config.json' }, /ENID_REGISTRY_AUTH is "config.json".*absolute path/],
    [{ ENID_IMAGE_CLEANUP: 'on' }, /ENID_IMAGE_CLEANUP is "on".*off, pulled .* or all/],
    [{ ENID_IMAGE_CLEANUP_INTERVAL_MS: '1' }, /from 1000 to/],
    [{ ENID_IMAGES_PER_CLEANUP: '1.5' }, /whole number from 1 to 1000/],
    [{ ENID_PRIVILEGED: '1' }, /ENID_PRIVILEGED is "1".*true .* or false/],
    [{ ENID_NET_ADMIN: 'yes' }, /ENID_NET_ADMIN is "yes".*true .* or false/],
    [{ ENID_SPARES: '-1' }, /ENID_SPARES is "-1".*whole number from 0 to 100/],
    [{ ENID_SPARES: '3', ENID_SPARES_MAX: '2' }, /sparesMax is 2, and spares is 3/],
    [{ ENID_SPARE_POOLS: 'subnet-a:web=1' }, /ENID_SPARE_POOLS is.*subnet:group,group=target-max/],
    [
      { ENID_SPARE_POOLS: 'subnet-a=3-2' },
      /3 to 2 spares of subnet-a: the maximum cannot be below/,
    ],
    [{ ENID_SPARE_POOLS: 'subnet-a:sg-1' }, /there are to be 0 spares.*subnet-a:sg-1=1/],
    [
      { ENID_SPARES: '1', ENID_SPARE_POOLS: 'subnet-a:sg-1,sg-2 subnet-a:sg-2,sg-1' },
      /names subnet-a:sg-2,sg-1 twice/,
    ],
    [{ ENID_CONFIG: '/nowhere/enid.json' }, /ENID_CONFIG names \/nowhere/],
  ])('%o is refused with the setting, the value and the rule', (environment, message) => {
    expect(() => readConfig(environment)).toThrow(message)
  })

  // P468
  test('pools of spares are read with their numbers, or take those for all', () => {
    const rules = (environment: Record<string, string>) => spareRules(readConfig(environment))
    expect(rules({ ENID_SPARES: '2' })).toEqual({ target: 2, max: 2, listed: [] })
    const pools = 'subnet-a:sg-1,sg-2=2-5; subnet-b=1 subnet-c'
    expect(rules({ ENID_SPARES: '3', ENID_SPARES_MAX: '4', ENID_SPARE_POOLS: pools })).toEqual({
      ...{ target: 3, max: 4 },
      listed: [
        { subnetId: 'subnet-a', securityGroupIds: ['sg-1', 'sg-2'], target: 2, max: 5 },
        { subnetId: 'subnet-b', securityGroupIds: [], target: 1, max: 1 },
        { subnetId: 'subnet-c', securityGroupIds: [], target: 3, max: 4 },
      ],
    })
  })

  // P468
  test('pools that an instance cannot hold are refused with the numbers', () => {
    const slots = { instanceType: 't3.medium', forTasks: 2 }
    const pool = (subnetId: string, target: number) => ({
      ...{ subnetId, securityGroupIds: [], target, max: target },
    })
    expect(tooMany({ target: 2, max: 9, listed: [] }, slots)).toBeUndefined()
    expect(tooMany({ target: 3, max: 3, listed: [] }, slots)).toMatch(
      /spares is 3, and this t3\.medium has 2 ENI slots for tasks/,
    )
    const listed = [pool('subnet-a', 2), pool('subnet-b', 1)]
    expect(tooMany({ target: 0, max: 0, listed }, slots)).toMatch(/sparePools are together 3/)
  })

  test.each([
    ['{ "stateDirr": "/x" }', /sets stateDirr, which is no setting of enid\. Nearest: stateDir/],
    ['{ "logLevel": 7 }', /logLevel in .* is "7"/],
    ['[]', /one JSON object/],
    ['{', /JSON/],
  ])('a file that holds %s is refused', (text, message) => {
    expect(() => readConfig({ ENID_CONFIG: file(text) })).toThrow(message)
  })
})
