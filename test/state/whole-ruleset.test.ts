// Goal: the transaction that takes a ruleset over leaves what was asked for and nothing else, and
// never takes a gate away to put it back. Method: commands compared as objects (test/net has packets).

import { expect, test } from 'vitest'
import { addChain, addGate, addRule, addSet, changeElement, drop } from '../../lab/fabric/nft.ts'
import { type Listed, replaceAll } from '../../lab/fabric/whole-ruleset.ts'

const gate = addGate('gate', 'forward', -10)
/** As nft lists it: the same, with a handle. */
const listed = (command: object): Listed => ({
  ...Object.fromEntries(
    Object.entries((command as { add: Record<string, object> }).add).map(([kind, what]) => [
      kind,
      { ...what, handle: 7 },
    ]),
  ),
})
const chain = (name: string) => ({ chain: { family: 'inet', table: 'enid', name } })

test('a gate that stays as it is is emptied and filled, never made anew', () => {
  const rule = addRule('inet', 'gate', [drop])
  expect(replaceAll([listed(gate)], [gate, rule])).toEqual([{ flush: chain('gate') }, rule])
})

test('a gate of another priority, and what nobody asked for, goes once everything is empty', () => {
  const old = addGate('gate', 'forward', 5)
  const set = addSet('inet', 'members', ['ipv4_addr'])
  const standing = [old, addChain('inet', 'stray'), set].map(listed)
  expect(replaceAll(standing, [gate])).toEqual([
    { flush: chain('gate') },
    { flush: chain('stray') },
    { delete: { set: { family: 'inet', table: 'enid', name: 'members' } } },
    { delete: chain('gate') },
    { delete: chain('stray') },
    gate,
  ])
})

test('another program’s table is nobody’s business', () => {
  const foreign = { chain: { family: 'inet', table: 'docker', name: 'x' } }
  expect(replaceAll([foreign], [])).toEqual([])
})

test('elements of a set come in one command, behind the chains they may lead to', () => {
  const element = (key: string) =>
    changeElement('add', { family: 'inet', set: 'members', key: [key] })
  const set = addSet('inet', 'members', ['ipv4_addr'])
  const made = replaceAll(
    [],
    [set, element('10.0.0.1'), addChain('inet', 'c'), element('10.0.0.2')],
  )
  const elem = ['10.0.0.1', '10.0.0.2']
  expect(made).toEqual([
    set,
    addChain('inet', 'c'),
    { add: { element: { family: 'inet', table: 'enid', name: 'members', elem } } },
  ])
})
