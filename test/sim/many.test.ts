// Goal: what holds for 200 seeds while one works holds for 5,000 before it lands, and the command
// that runs them refuses what it cannot understand. Method: `npm run sim`'s own script, as a process.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { program } from '../../scripts/demo/program.ts'

const SIM = join(import.meta.dirname, '../../scripts/sim.ts')
const sim = (...args: string[]) => program(process.execPath, [SIM, ...args], { timeoutMs: 420_000 })

// P19, P126
test('5,000 seeds hold every invariant at every moment, settle, and leave nothing', async () => {
  const { code, stdout, stderr } = await sim('--seeds', '5000', '--from', '1000001')
  expect(stdout + stderr).toContain('no invariant broken')
  expect(code).toBe(0)
  const [, lifecycles, deaths] = /: (\d+) task lifecycles, (\d+) deaths/.exec(stdout) ?? []
  expect(Number(lifecycles)).toBeGreaterThan(10_000)
  expect(Number(deaths)).toBeGreaterThan(10_000)
}, 430_000)

test.for([
  ['--seed', 'nonsense'],
  ['--seeds', '0'],
  ['--from', '1.5'],
])('%s %s is refused with what is allowed', async ([flag = '', value = '']) => {
  const { code, stderr } = await sim(flag, value)
  expect(code).toBe(2)
  expect(stderr).toContain(`${flag} is "${value}", but must be a whole number from 1 to 2147483648`)
})
