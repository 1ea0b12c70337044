// Goal: the bundle runs where nothing but Node and itself is. Method: it is built into a folder of
// its own under /tmp, with no checkout and no node_modules above it, and used from there.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildAll } from '../../scripts/build.ts'

const ROOT = join(import.meta.dirname, '../..')
let folder: string
let dist: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'enid-bundle-'))
  dist = join(folder, 'dist')
  await buildAll(dist)
})
afterAll(() => rmSync(folder, { recursive: true }))

const enid = (...args: string[]) =>
  spawnSync(process.execPath, [join(dist, 'enid.mjs'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '' },
  })

test('the bundle says its version, which is that of package.json', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string
  }
  expect(JSON.parse(enid('version', '--json').stdout)).toMatchObject({ enid: version })
})

test('every command of the bundle has its help', () => {
  for (const name of ['run', 'ps', 'describe', 'stop', 'logs', 'agent', 'lab', 'version']) {
    expect(enid('help', name).stdout).toContain(`usage: enid ${name}`)
  }
})

test('bin/enid runs the bundle where there is no checkout, through symlinks too', () => {
  mkdirSync(join(folder, 'bin'))
  cpSync(join(ROOT, 'bin/enid'), join(folder, 'bin/enid'))
  symlinkSync('bin/enid', join(folder, 'link'))
  const { stdout } = spawnSync(join(folder, 'link'), ['version'], { encoding: 'utf8' })
  expect(stdout).toMatch(/^enid \d+\.\d+\.\d+ /)
})

test.for(['kernel-worker.js', 'fabric-thread.js'])(
  'the thread %s loads its machine code',
  async (name) => {
    // It starts as a thread of the bundle would be, and lives until it is told to end.
    const program = `const {Worker} = require('node:worker_threads')
    const worker = new Worker(${JSON.stringify(join(dist, name))})
    worker.once('error', (error) => { console.error(error); process.exit(1) })
    worker.once('online', () => setImmediate(() => worker.postMessage({ type: 'none' })))
    setTimeout(() => process.exit(0), 1500)`
    const child = spawn(process.execPath, ['-e', program], { cwd: folder })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk
    })
    const [code] = await once(child, 'close')
    expect(said).not.toContain('Cannot find')
    expect(code === 0 || !said.includes('ERR_MODULE_NOT_FOUND')).toBe(true)
  },
)
