// Goal: the setup is a quiet go-between: the script's output, exit code and signals are its own, and
// a machine on which it cannot work is told what to do. Method: the setup as a child process, on a
// machine where all is installed, with small scripts.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const SETUP = join(ROOT, 'scripts/with-setup.mjs')
let folder: string
beforeAll(() => {
  // Beside the sources, because the setup runs scripts of the project; git does not see dist/.
  folder = mkdtempSync(join(ROOT, 'node_modules/.setup-test-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const script = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return relative(ROOT, join(folder, name))
}

test('the script has stdout, the arguments and the exit code for itself', () => {
  const path = script('a.mjs', 'console.log(process.argv.slice(2).join("|")); process.exit(7)')
  const result = spawnSync(process.execPath, [SETUP, path, 'one two', '--flag'], {
    encoding: 'utf8',
  })
  expect(result.stdout).toBe('one two|--flag\n')
  expect(result.status).toBe(7)
})

test('the script runs under the Node that npm installed', () => {
  const path = script('b.mjs', 'console.log(process.execPath)')
  const result = spawnSync(process.execPath, [SETUP, '--npm-only', path], { encoding: 'utf8' })
  expect(result.stdout).toMatch(/node_modules\/.*node\n$/)
})

test.for(['SIGINT', 'SIGTERM'] as const)('%s reaches the script', async (signal) => {
  const path = script(
    'c.mjs',
    `process.on('${signal}', () => process.exit(33)); console.log('up'); setInterval(() => {}, 1e6)`,
  )
  const child = spawn(process.execPath, [SETUP, path])
  await once(child.stdout, 'data')
  child.kill(signal)
  expect((await once(child, 'close'))[0]).toBe(33)
})

test('who is not root is told so, and how to be', () => {
  const path = script('d.mjs', '')
  const result = spawnSync(process.execPath, [SETUP, path], {
    encoding: 'utf8',
    uid: 65534,
    env: { PATH: process.env.PATH, npm_lifecycle_event: 'test' },
  })
  expect(result.stderr).toContain('Run: sudo npm test')
  expect(result.status).toBe(1)
})

test.for([
  [['--frob', 'x'], 'unknown flag --frob'],
  [['--also', 'vim', 'x'], '--also vim: known are aws'],
  [[], 'name the script'],
] as const)('%j is refused', ([args, why]) => {
  const result = spawnSync(process.execPath, [SETUP, ...args], { encoding: 'utf8' })
  expect(result.stderr).toContain(why)
  expect(result.status).toBe(1)
})
