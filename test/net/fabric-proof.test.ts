// Goal: a fabric opens only when packets have shown that its way out does what it was told. Method: a
// fabric that is let go of and meanwhile spoilt behind its back, by nftables at its edge in tables that
// are not its own; the next one must find it out by its proof.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFabric, sweepFabric } from '../../lab/fabric/open.ts'
import { quiet } from './fabric-rig.ts'
import { leftovers } from './lab-process.ts'

let name: string
beforeEach(async () => {
  name = `t${randomBytes(3).toString('hex')}`
  await (await openFabric({ name, log: quiet })).release()
})
afterEach(async () => {
  await sweepFabric(name)
  expect(leftovers(name)).toEqual([])
})

const again = () => openFabric({ name, log: quiet }, async () => {})

/** Adds rules of somebody else's at the fabric's edge. */
function atEdge(rules: string): void {
  execFileSync('ip', ['netns', 'exec', `enid-lab-${name}.edge`, 'nft', '-f', '-'], { input: rules })
}

// P328
test('an edge that lets out what has no public address is found out before the fabric opens', async () => {
  atEdge(`table netdev other {
    chain in {
      type filter hook ingress device "igw" priority 0;
      ip saddr 192.0.2.138 ether daddr set 0a:00:00:00:00:03 fwd to "internet";
    };
  }`)
  await expect(again()).rejects.toThrow(
    'passed a closed port: 203.0.113.10 port 9006 from 192.0.2.138',
  )
})

// P328
test('an edge that lets nothing out is found out before the fabric opens', async () => {
  atEdge('table inet other { chain f { type filter hook forward priority 10; policy drop; }; }')
  await expect(again()).rejects.toThrow(
    'dropped an open port: 203.0.113.10 port 9001, 2001:db8:ffff::10 port 9001',
  )
})

test('one that nobody spoilt opens', async () => {
  await (await again()).close()
})
