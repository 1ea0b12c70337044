// Goal: what the demo and the e2e tests call left over is theirs, and all of it. Method: namespaces
// made by hand, with a card of ours, with none, and with somebody else's under a number of ours.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
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

test('a namespace without a card, which nobody but its name holds, is left over', async () => {
  expect(await left()).toEqual([`namespace held by /run/netns/${NAME}`])
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

test('one of the tests’ other lane is not, and one like it is', async () => {
  const hold = (name: string) => {
    const inside = ['sh', '-c', 'echo up; exec sleep 30', name]
    return spawn('unshare', ['--net', '--fork', '--kill-child', ...inside])
  }
  for (const [name, found] of [
    ['apart', false],
    ['another', true],
  ] as const) {
    const child = hold(name)
    try {
      await once(child.stdout, 'data')
      const [inner] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(
        ' ',
      )
      inode = Number(/\d+/.exec(readlinkSync(`/proc/${inner}/ns/net`))?.[0])
      expect((await left()).length > 0, name).toBe(found)
    } finally {
      child.kill('SIGKILL')
    }
  }
})
