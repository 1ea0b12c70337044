// Goal: tasks come and go while the agent is killed every few seconds, dockerd now and then, and EC2
// has bad days: nothing leaks, nothing is stuck, nothing stops that nobody stopped. Method: `npm run
// soak`'s own script, as a process, on real Docker, kernel and lab.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { program } from '../../scripts/demo/program.ts'

const SOAK = join(import.meta.dirname, '../../scripts/soak.ts')
const soak = (count: string) =>
  program(process.execPath, [SOAK, '--lifecycles', count], { timeoutMs: 700_000 })

// P50, P127
test('150 lifecycles leave nothing, and none is stuck or wrongly stopped', async () => {
  const { code, stdout, stderr } = await soak('150')
  expect(stdout + stderr).toContain('0 leaks, 0 stuck, 0 wrongly stopped')
  expect(code).toBe(0)
  const [, done, agentKills] =
    /(\d+) lifecycles in .* the agent killed (\d+) times/.exec(stdout) ?? []
  expect(Number(done)).toBe(150)
  expect(Number(agentKills)).toBeGreaterThan(5)
}, 720_000)

test('a number of lifecycles that is none is refused with what is allowed', async () => {
  const { code, stderr } = await soak('many')
  expect(code).toBe(2)
  expect(stderr).toContain('--lifecycles is "many", but must be a whole number from 1 to 1000000')
})
