// Goal: bin/enid finds a Node that can run it, wherever it is called from, or says what is missing.
// Method: copies of it in folders that have, or have not, what it looks for.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'enid bin-'))
  mkdirSync(join(folder, 'bin'))
  mkdirSync(join(folder, 'path'))
  cpSync(join(import.meta.dirname, '../../bin/enid'), join(folder, 'bin/enid'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const program = (path: string, text: string) => {
  writeFileSync(join(folder, path), `#!/bin/sh\n${text}\n`)
  chmodSync(join(folder, path), 0o755)
}
const call = (path: string, ...args: string[]) =>
  spawnSync(join(folder, path), args, {
    encoding: 'utf8',
    env: { PATH: `${folder}/path:/usr/local/bin:/bin:/usr/bin` },
    cwd: '/',
  })
/** A Node of a version, that prints what it was asked to run. */
const node = (major: number) =>
  program('path/node', `[ "$1" = -p ] && echo ${major} && exit\necho "node${major} $*"`)

test('runs the checkout when there is one, with the arguments as they are', () => {
  mkdirSync(join(folder, 'cli'))
  mkdirSync(join(folder, 'dist'))
  writeFileSync(join(folder, 'cli/main.ts'), '')
  writeFileSync(join(folder, 'dist/enid.mjs'), '')
  node(24)
  expect(call('bin/enid', 'ps', 'a b').stdout).toBe(`node24 ${folder}/cli/main.ts ps a b\n`)
})

test('runs the bundle where there is no checkout', () => {
  mkdirSync(join(folder, 'dist'))
  writeFileSync(join(folder, 'dist/enid.mjs'), '')
  node(26)
  expect(call('bin/enid').stdout).toBe(`node26 ${folder}/dist/enid.mjs\n`)
})

test('finds its folder through relative and absolute symlinks', () => {
  mkdirSync(join(folder, 'cli'))
  writeFileSync(join(folder, 'cli/main.ts'), '')
  node(24)
  symlinkSync('../bin/enid', join(folder, 'path/relative'))
  symlinkSync(join(folder, 'path/relative'), join(folder, 'absolute'))
  expect(call('absolute').stdout).toBe(`node24 ${folder}/cli/main.ts\n`)
})

test('takes the Node that npm installed beside it before the one in PATH', () => {
  mkdirSync(join(folder, 'cli'))
  writeFileSync(join(folder, 'cli/main.ts'), '')
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true })
  program('node_modules/.bin/node', 'echo "own $*"')
  node(20)
  expect(call('bin/enid').stdout).toBe(`own ${folder}/cli/main.ts\n`)
})

test('refuses a Node that is too old, and says what to do', () => {
  mkdirSync(join(folder, 'cli'))
  writeFileSync(join(folder, 'cli/main.ts'), '')
  node(20)
  const { status, stderr } = call('bin/enid')
  expect(stderr).toContain('is Node.js 20: enid needs 24 or newer')
  expect(status).toBe(1)
})

test('says so when there is nothing to run', () => {
  const { status, stderr } = call('bin/enid')
  expect(stderr).toContain('install enid again')
  expect(status).toBe(1)
})
