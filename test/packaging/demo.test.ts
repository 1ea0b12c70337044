// Goal: `npm run demo` holds what it claims, and leaves nothing when it is broken off. Method: the
// demo itself, as a child process; its own checks are with real packets.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const DEMO = join(import.meta.dirname, '../../scripts/demo/main.ts')

/** Runs the demo; `onLine` may end it. */
async function runDemo(onLine: (line: string, end: () => void) => void = () => {}) {
  const child = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    for (const line of text.split('\n')) onLine(line, () => child.kill('SIGINT'))
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, output }
}

test('every claim of the demo holds, within a minute', { timeout: 90_000 }, async () => {
  const startedAt = performance.now()
  const { code, output } = await runDemo()
  expect(output).toMatch(/^All \d+ claims hold, in [\d.]+ s\.$/m)
  expect(output).not.toContain('FAIL')
  expect(output).toContain('"name": "privateIPv4Address"')
  expect(code).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(60_000)
})

test('a demo that is interrupted stops its tasks, and nothing is left', async () => {
  const { code, output } = await runDemo((line, end) => {
    if (line.includes('both copies are RUNNING')) end()
  })
  expect(output).toContain('interrupted by SIGINT')
  expect(output).toContain('nothing of any of this is left on this machine')
  expect(output).not.toContain('FAIL')
  expect(code).toBe(1)
  expect(existsSync('/run/enid-lab/demo')).toBe(false)
  expect(existsSync('/var/lib/enid-lab/demo')).toBe(false)
})
