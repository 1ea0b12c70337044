// Goal: whoever asks sees the flows that are meant, whole and in order, and nobody can make the lab
// hold more than it may. Method: a lab over a fabric of memory that is told verdicts; HTTP as client.

import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Verdict } from '../../lab/fabric/verdict.ts'
import type { Flow } from '../../lab/flows/flow.ts'
import { FLOWS_MAX, type Summary } from '../../lab/flows/journal.ts'
import type { CountedRule } from '../../lab/flows/rule-table.ts'
import { makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const verdict = (change: Partial<Verdict> = {}): Verdict => ({
  atMs: Date.now(),
  verdict: 'accept',
  from: 'eni-1',
  to: 'eni-2',
  packet: {
    etherType: 0x0800,
    protocol: 6,
    source: '10.0.0.4',
    destination: '10.0.0.5',
    sourcePort: 4,
    destinationPort: 80,
    bytes: 60,
  },
  rules: { egress: 'sgr-1', ingress: 'sgr-2' },
  ...change,
})
const drop = (change: Partial<Verdict> = {}) =>
  verdict({
    verdict: 'drop',
    gate: 'ingress',
    reason: 'no group rule, ingress',
    rules: {},
    ...change,
  })
async function ask<T>(path: string, status = 200): Promise<T> {
  const response = await fetch(`${rig.endpoint}/lab/${path}`)
  expect(response.status).toBe(status)
  return (await response.json()) as T
}
const numbers = async (query: string): Promise<number[]> =>
  (await ask<Summary>(`flows?${query}`)).flows.map(({ number }) => number)

describe('the flows', () => {
  test('are told whole, in order, with what got lost', async () => {
    rig.fabric.tell([verdict(), { atMs: 5, lost: 3 }, drop()])
    expect(await ask('flows')).toEqual({
      seen: 3,
      lost: 3,
      flows: [
        {
          number: 1,
          at: expect.stringMatching(/^20.*Z$/),
          verdict: 'accept',
          from: 'eni-1',
          to: 'eni-2',
          protocol: 6,
          source: '10.0.0.4',
          sourcePort: 4,
          destination: '10.0.0.5',
          destinationPort: 80,
          bytes: 60,
          rules: { egress: 'sgr-1', ingress: 'sgr-2' },
        },
        { number: 2, at: '1970-01-01T00:00:00.005Z', lost: 3 },
        expect.objectContaining({ number: 3, gate: 'ingress', reason: 'no group rule, ingress' }),
      ],
    })
  })

  test('name the ENI that has the address, where a packet got nowhere', async () => {
    const { NetworkInterfaceId, PrivateIpAddress } = await rig.createEni()
    const { to: _, ...nowhere } = drop({ gate: 'source' })
    const packet = { etherType: 0x0800, protocol: 17, destination: PrivateIpAddress }
    rig.fabric.tell([{ ...nowhere, packet }])
    const { flows } = await ask<Summary>('flows')
    expect(flows).toMatchObject([{ from: 'eni-1', to: NetworkInterfaceId }])
  })

  test('are those that were wished for; what got lost could be any', async () => {
    const eni = await rig.createEni({ Groups: [await rig.makeGroup('web')] })
    rig.fabric.tell([
      verdict({ atMs: 1000 }),
      drop({ from: eni.NetworkInterfaceId }),
      verdict({ to: eni.NetworkInterfaceId }),
      { atMs: Date.now(), lost: 1 },
      drop(),
    ])
    expect(await numbers('')).toEqual([1, 2, 3, 4, 5])
    expect(await numbers('dropped=true')).toEqual([2, 4, 5])
    expect(await numbers(`eni=${eni.NetworkInterfaceId}`)).toEqual([2, 3, 4])
    expect(await numbers('group=web')).toEqual([2, 3, 4])
    expect(await numbers(`group=${eni.Groups?.[0]?.GroupId}&dropped=true`)).toEqual([2, 4])
    expect(await numbers('since=1970-01-01T00:00:02Z')).toEqual([2, 3, 4, 5])
  })

  test.each([
    ['what=x', "Unknown field 'what'. Allowed: follow, dropped, eni, group, since."],
    ['dropped=yes', "dropped is 'yes'; it must be true or false."],
    ['since=lunch', "since is 'lunch'; it must be a time such as 2026-01-31T12:00:00Z."],
    ['eni=', 'eni must be said once, and not be empty.'],
    ['eni=a&eni=b', 'eni must be said once, and not be empty.'],
  ])('asked for by %s are refused by name', async (query, message) => {
    expect(await ask(`flows?${query}`, 400)).toEqual({ error: { code: 'BadRequest', message } })
  })

  // P294
  test('are forgotten, oldest first, when there are more than are kept', async () => {
    for (let i = 0; i < 30; i++) rig.fabric.tell(Array.from({ length: 1000 }, () => verdict()))
    const { flows, seen } = await ask<Summary>('flows')
    expect(seen).toBe(30_000)
    expect(flows).toHaveLength(FLOWS_MAX)
    expect(flows.at(-1)?.number).toBe(30_000)
  })

  test('of a lab that was reset are forgotten', async () => {
    rig.fabric.tell([verdict()])
    await rig.lab.reset()
    rig.fabric.tell([drop()])
    expect(await numbers('')).toEqual([2])
  })
})

describe('one who follows', () => {
  type Line = Partial<Flow> & { cutOff?: string; number?: number }
  /** A reader of lines; `next` gives so many, and waits for them. */
  async function follow(query = '') {
    const stop = new AbortController()
    const { body } = await fetch(`${rig.endpoint}/lab/flows?follow=true&${query}`, {
      signal: stop.signal,
    })
    if (body === null) throw new Error('no body')
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    const lines: Line[] = []
    return {
      stop: () => stop.abort(),
      async next(count: number): Promise<Line[]> {
        while (lines.length < count) {
          const { value, done } = await reader.read()
          if (done) return lines.splice(0)
          const parts = `${rest}${value}`.split('\n')
          rest = parts.pop() ?? ''
          lines.push(...parts.filter(Boolean).map((part) => JSON.parse(part) as Line))
        }
        return lines.splice(0, count)
      },
    }
  }

  test('gets those there are, then each that comes, and no other', async () => {
    rig.fabric.tell([verdict(), drop()])
    const all = await follow()
    const dropped = await follow('dropped=true')
    expect((await all.next(2)).map(({ number }) => number)).toEqual([1, 2])
    rig.fabric.tell([verdict(), drop()])
    expect((await all.next(2)).map(({ number }) => number)).toEqual([3, 4])
    expect((await dropped.next(2)).map(({ number }) => number)).toEqual([2, 4])
    all.stop()
    dropped.stop()
  })

  test('gets everything, in order, when much comes at once', async () => {
    const reader = await follow()
    for (let i = 0; i < 8; i++) rig.fabric.tell(Array.from({ length: 1000 }, () => verdict()))
    const got = await reader.next(8000)
    expect(got.map(({ number }) => number)).toEqual(Array.from({ length: 8000 }, (_, i) => i + 1))
    reader.stop()
  })

  // P294
  test('and does not read is cut off and told, and costs the lab nothing', async () => {
    const socket = connect(Number(new URL(rig.endpoint).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.pause()
    socket.write('GET /lab/flows?follow=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await expect.poll(() => rig.lab.flows.followers).toBe(1)
    // More than sockets hold; its own turn each, as from a kernel.
    for (let i = 0; i < 120 && rig.lab.flows.followers > 0; i++) {
      rig.fabric.tell(Array.from({ length: 1000 }, () => verdict()))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(rig.lab.flows.followers).toBe(0)
    let text = ''
    socket.on('data', (data: Buffer) => {
      text = `${text.slice(-2000)}${data}`
    })
    socket.resume()
    await expect.poll(() => text, { timeout: 5000 }).toContain('"cutOff":"this reader fell behind')
    socket.destroy()
  })

  test('and goes is forgotten; more than 16 are refused', async () => {
    const readers = []
    for (let i = 0; i < 16; i++) readers.push(await follow())
    expect(await ask('flows?follow=true', 429)).toMatchObject({
      error: { code: 'TooManyFollowers' },
    })
    for (const reader of readers) reader.stop()
    await expect.poll(() => rig.lab.flows.followers).toBe(0)
    const again = await follow()
    again.stop()
  })

  test('hears the end of the lab', async () => {
    const reader = await follow()
    rig.lab.close()
    expect(await reader.next(1)).toEqual([])
  })
})

// P293
test('the rules say what they are, and the sum of what all parts of them counted', async () => {
  const world = rig.lab.region.world
  const group = world.groups.get(rig.defaultGroup)
  const [first] = group?.rules ?? []
  const acl = [...world.networkAcls.values()][0]
  const count = (comment: string, packets: number) => ({
    chain: 'c',
    comment,
    packets,
    bytes: packets * 100,
  })
  rig.fabric.counts = [
    count(first?.ruleId ?? '', 2),
    count(first?.ruleId ?? '', 3),
    count(`${acl?.aclId} egress 100`, 7),
    count(`${acl?.aclId} egress *`, 1),
    count('spoofed source', 4),
  ]
  const { rules } = await ask<{ rules: CountedRule[] }>('rules')
  expect(rules).toEqual([
    {
      rule: first?.ruleId,
      of: rig.defaultGroup,
      direction: first?.direction,
      action: 'allow',
      says: first?.direction === 'ingress' ? `all from ${rig.defaultGroup}` : 'all to 0.0.0.0/0',
      packets: 5,
      bytes: 500,
    },
    {
      rule: `${acl?.aclId} egress 100`,
      of: acl?.aclId,
      direction: 'egress',
      action: 'allow',
      says: 'all to 0.0.0.0/0',
      packets: 7,
      bytes: 700,
    },
    {
      rule: `${acl?.aclId} egress *`,
      of: acl?.aclId,
      direction: 'egress',
      action: 'deny',
      packets: 1,
      bytes: 100,
    },
    { rule: 'spoofed source', action: 'deny', packets: 4, bytes: 400 },
  ])
})
