// Goal: what cannot be enforced is refused by name before the kernel is asked: malformed ports,
// taken addresses, groups that are not known or still in use; and names never collide. Pure.

import { expect, test } from 'vitest'
import type { Group, Port, Rule } from '../../lab/fabric/fabric.ts'
import { checkReferences, checkUnused } from '../../lab/fabric/group-check.ts'
import { fabricNamespace, linkNames } from '../../lab/fabric/names.ts'
import { createFabric } from '../../lab/fabric/open.ts'
import { checkPort } from '../../lab/fabric/port-check.ts'

const naming = (groupId: string): Rule => ({
  ruleId: 'sgr-1',
  direction: 'ingress',
  protocol: 'all',
  peer: { kind: 'group', groupId },
})
const group = (...rules: Rule[]): Group => ({ groupId: 'sg-1', rules })
const port = (change: Partial<Port> = {}): Port => ({
  eniId: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:00:01',
  ipv4: ['10.0.0.5'],
  ipv6: ['fd00::5'],
  groupIds: ['sg-1'],
  sourceDestCheck: true,
  netns: '/proc/self/ns/net',
  ...change,
})

test('a port is refused by name when a field is wrong or collides', () => {
  const groups = new Map([['sg-1', group()]])
  const check = (change: Partial<Port>, ...others: Port[]) =>
    checkPort(port(change), groups, others)
  expect(() => check({ mac: '02-00' })).toThrow(/port eni-1: mac is '02-00'/)
  expect(() => check({ mac: '03:00:00:00:00:01' })).toThrow(/multicast/)
  expect(() => check({ ipv4: ['10.0.0.5/32'] })).toThrow(/'10.0.0.5\/32', which is no ipv4/)
  expect(() => check({ ipv6: ['10.0.0.5'] })).toThrow(/no ipv6 address/)
  expect(() => check({ groupIds: ['sg-9'] })).toThrow(/group sg-9 is not known/)
  expect(() => check({}, port({ eniId: 'eni-2', ipv4: [] }))).toThrow(/fd00::5 is in use by eni-2/)
  expect(check({ mac: '02:00:00:00:00:AB', ipv6: ['FD00:0::5', 'fd00::5'] })).toMatchObject({
    mac: '02:00:00:00:00:ab',
    ipv6: ['fd00::5'],
  })
})

test('a group cannot refer to one that is not known, nor go while it is used', () => {
  const refers = { groupId: 'sg-2', rules: [naming('sg-1')] }
  const self = group(naming('sg-1'))
  expect(() => checkReferences(refers, new Map())).toThrow(/rule sgr-1 of sg-2: group sg-1/)
  expect(() => checkReferences(self, new Map())).not.toThrow()
  expect(() => checkUnused('sg-1', new Map([['sg-2', refers]]), [])).toThrow(/rule sgr-1 of sg-2/)
  expect(() => checkUnused('sg-1', new Map([['sg-1', self]]), [])).not.toThrow()
  expect(() => checkUnused('sg-1', new Map(), [port()])).toThrow(/worn by eni-1/)
})

test('link names fit the kernel, and differ by lab and by ENI', () => {
  const names = linkNames('lab', 'eni-0123456789abcdef0')
  expect(names.fabric.length).toBeLessThan(16)
  expect(names.guest).toMatch(/^ens[0-9a-z]{10}$/)
  expect(linkNames('lab', 'eni-0123456789abcdef0')).toEqual(names)
  expect(linkNames('lab2', 'eni-0123456789abcdef0').guest).not.toBe(names.guest)
  expect(linkNames('lab', 'eni-0123456789abcdef1').guest).not.toBe(names.guest)
})

test('no lab has a name under which another lab would be swept', () => {
  const log = { info: () => {}, error: () => {} }
  expect(fabricNamespace('a', 'b')).not.toBe(fabricNamespace('a-b'))
  for (const name of ['a.b', '', 'A', '../x', 'x'.repeat(33)]) {
    expect(() => createFabric({ name, log }), name).toThrow(/lab name is/)
  }
})
