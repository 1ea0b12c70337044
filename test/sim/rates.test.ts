// Goal: at the rates that EC2 gives an account, starts and stops go on without a failure or a throttle,
// for one host that has them all and for a hundred that share them, and nobody starves. Method: the
// real runner, journal and budget on virtual time; EC2's own buckets and times beside them.

import { expect, test } from 'vitest'
import { Account, Agent } from './account.ts'

const part = (all: readonly number[], share: number): number =>
  all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))] ??
  Number.NaN
const mean = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0) / all.length

/** Between two starts, and two stops, of the whole account. */
const PACE_MS = 200

// P488
test('five starts and five stops a second for a minute: no failure, no throttle, nobody waits', async () => {
  const account = new Account(7)
  const agent = new Agent(account, 0, 1)
  const before = 50
  for (let n = 0; n < before + 300; n++) {
    agent.start(`t${n}`)
    if (n >= before) agent.stop(`t${n - before}`)
    await account.pass(PACE_MS)
  }
  await account.pass(30_000)
  expect(agent.defects).toEqual([])
  expect(agent.failures()).toEqual([])
  expect(account.throttles.filter(({ at }) => at > 1_000)).toEqual([])
  expect([agent.startsMs().length, agent.stopsMs().length]).toEqual([350, 300])
  // Create and Attach take EC2 0.6 to 1.7 s; a detach 1.5 to 4.5 s after that was answered.
  expect(part(agent.startsMs(), 0.99)).toBeLessThan(2_000)
  expect(part(agent.stopsMs(), 0.5)).toBeLessThan(6_000)
  const calls = (action: string) => account.calls.get(action) ?? 0
  expect(calls('CreateNetworkInterface')).toBe(350)
  expect(calls('AttachNetworkInterface')).toBe(350)
  expect(calls('ModifyNetworkInterfaceAttribute')).toBe(350)
  expect(calls('DetachNetworkInterface')).toBe(300)
  // Half of the burst goes on Deletes that EC2 refuses while it detaches; then it is looked first.
  expect(calls('DeleteNetworkInterface')).toBeLessThan(1.5 * 300)
  expect(calls('DescribeNetworkInterfaces')).toBeLessThan(2 * 300)
})

/** A hundred hosts that start and stop five tasks a second together, each in its turn. */
async function fleet(share: number): Promise<{ account: Account; agents: Agent[] }> {
  const account = new Account(3)
  const agents = Array.from({ length: 100 }, (_, n) => new Agent(account, n, share))
  for (let turn = 0; turn < 600; turn++) {
    const agent = agents[turn % 100]
    const nth = Math.floor(turn / 100)
    agent?.start(`${turn % 100}-${nth}`)
    if (nth >= 2) agent?.stop(`${turn % 100}-${nth - 2}`)
    await account.pass(PACE_MS)
  }
  await account.pass(300_000)
  for (const agent of agents) expect([agent.defects, agent.failures()]).toEqual([[], []])
  expect(agents.map((agent) => agent.startsMs().length)).toEqual(Array(100).fill(6))
  expect(agents.map((agent) => agent.stopsMs().length)).toEqual(Array(100).fill(4))
  return { account, agents }
}

// P489
test('a hundred hosts with a hundredth each: no throttle, and none waits longer than others', async () => {
  const { account, agents } = await fleet(0.01)
  expect(account.throttles).toEqual([])
  const waits = agents.map((agent) => mean(agent.startsMs()))
  expect(part(waits, 1) / part(waits, 0.5)).toBeLessThan(1.5)
})

// P489
test('a hundred hosts that all think that a tenth is theirs: everything comes to its end all the same', async () => {
  const { agents } = await fleet(0.1)
  const waits = agents.map((agent) => mean(agent.startsMs()))
  expect(part(waits, 1) / part(waits, 0.5)).toBeLessThan(3)
})
