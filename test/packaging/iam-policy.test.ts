// Goal: the policy in the README allows what the agent calls, and nothing else; and whatever changes
// something is bound to our tag. Method: the policy is read from the README, the calls from the one
// file that lists them.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MARK } from '../../agent/drivers/driver.ts'

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')

type Statement = { Action: string | string[]; Resource: string | string[]; Condition?: object }
const policy = JSON.parse(/```json\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '') as {
  Statement: Statement[]
}
const actions = [...new Set(policy.Statement.flatMap(({ Action }) => Action))].sort()

const list =
  /export type Ec2Actions = \{([\s\S]*?)\n\}/.exec(read('agent/drivers/ec2.ts'))?.[1] ?? ''
const called = [...list.matchAll(/^ {2}(\w+): \[/gm)].map(([, name]) => `ec2:${name}`)

// P34
test('the policy allows exactly the calls of the agent, and tags at creation', () => {
  expect(called.length).toBeGreaterThan(8)
  expect(actions).toEqual([...called, 'ec2:CreateTags'].sort())
})

// P34
test('public addresses take five more calls, by a policy of their own, bound to our tag', () => {
  const document = read('docs/extensions.md')
  const blocks = [...document.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => text)
  const policies = blocks.map((text) => JSON.parse(text) as { Statement?: Statement[] })
  const statements = policies.flatMap(({ Statement = [] }) => Statement)
  const own =
    /type PublicIpActions = \{([\s\S]*?)\n\}/.exec(read('agent/drivers/ec2.ts'))?.[1] ?? ''
  const addressing = [...own.matchAll(/^ {2}(\w+): \[/gm)].map(([, name]) => `ec2:${name}`)
  expect(addressing).toHaveLength(5)
  const allowed = new Set(statements.flatMap(({ Action }) => Action))
  expect([...allowed].sort()).toEqual([...addressing, 'ec2:CreateTags'].sort())
  const isBound = ({ Condition }: Statement) =>
    JSON.stringify(Condition ?? {}).includes('enid:instance')
  const release = statements.filter(({ Action }) => [Action].flat().includes('ec2:ReleaseAddress'))
  expect(release.length > 0 && release.every(isBound)).toBe(true)
})

// P34
test('the policy has at most twelve actions', () => {
  expect(actions.length).toBeLessThanOrEqual(12)
})

// P34
test('whatever changes an interface is bound to our tag', () => {
  const changing = policy.Statement.filter(
    ({ Action, Resource }) =>
      [Action].flat().some((action) => !action.startsWith('ec2:Describe')) &&
      [Resource].flat().some((resource) => /network-interface|\*$/.test(resource)) &&
      ![Resource]
        .flat()
        .every((resource) => /(instance|subnet|security-group)\/\*$/.test(resource)),
  )
  expect(changing).toHaveLength(3)
  for (const { Action, Condition } of changing) {
    const text = JSON.stringify(Condition)
    const bound = text.includes(MARK.instance) || Action === 'ec2:CreateTags'
    expect(bound, `${Action}`).toBe(true)
  }
})
