// Goal: what the demo and the e2e tests call left over is theirs, and all of it. Method: namespaces
// made by hand, with a card of ours, with a task's address, with neither, and with somebody else's card.

import { execFileSync, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leftovers } from '../../scripts/demo/leftovers.ts'

const NAME = `left-${process.pid}`
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
const OURS = '02:00:00:00:77:01'

let inode = 0
beforeEach(() => {
  ip('netns', 'add', NAME)
  inode = statSync(`/run/netns/${NAME}`).ino
})
afterEach(() => {
  ip('netns', 'del', NAME)
})

const left = async () =>
  (await leftovers({ instanceId: '', macs: [OURS], netnsInodes: [inode] })).filter((what) =>
    what.startsWith('namespace'),
  )
const plug = (mac: string) =>
  ip('-n', NAME, 'link', 'add', 'eth0', 'address', mac, 'type', 'veth', 'peer', 'name', 'out')

test('a namespace of a task whose card is given back, which its name alone holds, is left over', async () => {
  ip('-n', NAME, 'address', 'add', '169.254.170.2/32', 'dev', 'lo')
  expect(await left()).toEqual([`namespace held by /run/netns/${NAME}`])
})

test('one whose holder is a process names it', async () => {
  ip('-n', NAME, 'address', 'add', '169.254.170.2/32', 'dev', 'lo')
  const child = spawn('ip', ['netns', 'exec', NAME, 'sleep', '30'])
  try {
    const held = `namespace held by /proc/${child.pid}/ns/net (sleep 30)`
    await expect.poll(left).toContain(held)
  } finally {
    child.kill('SIGKILL')
  }
})

test('one with our card is, too', async () => {
  plug(OURS)
  ip('-n', NAME, 'link', 'set', 'out', 'address', OURS)
  expect(await left()).toEqual([`namespace held by /run/netns/${NAME}`])
})

test('one that got the number of ours, with somebody else’s card in it, is not', async () => {
  plug('02:00:00:00:77:02')
  expect(await left()).toEqual([])
})

test('one that got the number of ours, with nothing in it, is not', async () => {
  expect(await left()).toEqual([])
})
