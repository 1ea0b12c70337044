// Goal: a card that is taken away as soon as it appears is an ENI's link like any other. Method: the
// fabric's own hand on real namespaces, with a thief in the middle; the oracle is `ip -j`.

import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openNetlink, withNetlink } from '../../lab/fabric/netlink-socket.ts'
import { plugLink } from '../../lab/fabric/port-link.ts'

const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' })
const NAMES = ['enid-pl-guest', 'enid-pl-task']

beforeEach(() => {
  for (const name of NAMES) ip('netns', 'add', name)
})

afterEach(() => {
  for (const name of NAMES) ip('netns', 'del', name)
})

// P475
test('one that is moved on before it wears its mark is plugged in all the same', () => {
  const plan = {
    mark: 'enid-lab test eni-1',
    mac: '02:00:00:00:47:01',
    addresses: ['10.0.0.5'],
    fabricName: 'epl1',
    guestName: 'enspl1',
    netns: '/run/netns/enid-pl-guest',
  }
  const take = () => ip('-n', 'enid-pl-guest', 'link', 'set', 'enspl1', 'netns', 'enid-pl-task')
  const made = withNetlink(openNetlink('route'), (netlink) => plugLink(netlink, plan, take))
  expect(made.name).toBe('enspl1')
  const shown = (...args: string[]) =>
    JSON.parse(ip(...args, '-j', 'link', 'show')) as {
      ifname: string
      address: string
      flags: string[]
      ifalias?: string
    }[]
  expect(shown('-n', 'enid-pl-task')).toContainEqual(
    expect.objectContaining({ ifname: 'enspl1', address: plan.mac }),
  )
  const near = shown().find(({ ifname }) => ifname === 'epl1')
  expect(near).toMatchObject({ ifalias: plan.mark })
  expect(near?.flags).toContain('UP')
})
