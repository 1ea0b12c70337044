// Goal: the bundle runs where nothing but Node and itself is. Method: it is built into a folder of
// its own under /tmp, with no checkout and no node_modules above it, and used from there.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
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
  // Whatever Node the machine has: this one is new enough.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` }
  const { stdout } = spawnSync(join(folder, 'link'), ['version'], { encoding: 'utf8', env })
  expect(stdout).toMatch(/^enid \d+\.\d+\.\d+ /)
})

/** The text of every file that the agent can come to load, from its entry on. */
function agentsFiles(): string {
  const seen = new Map<string, string>()
  const add = (name: string): void => {
    if (seen.has(name)) return
    const text = readFileSync(join(dist, name), 'utf8')
    seen.set(name, text)
    for (const [, next = ''] of text.matchAll(/(?:from|import)\s*\(?\s*"\.\/([\w-]+\.mjs)"/g))
      add(next)
  }
  add('agent-main.mjs')
  return [...seen.values()].join('')
}

// P482
test('the agent of the bundle has every SDK that it may need, and of each no more than it uses', () => {
  const text = agentsFiles()
  for (const action of [
    'AttachNetworkInterface',
    'GetParameters',
    'GetSecretValue',
    'AssumeRole',
  ]) {
    expect(text, action).toContain(`"${action}"`)
  }
  // 1.8 MB of EC2 are for the 700 actions that the agent does not know.
  for (const other of ['AcceptAddressTransfer', 'RunInstances', 'CreateVpc']) {
    expect(text, other).not.toContain(`"${other}"`)
  }
})

// P482
test('the agent of the bundle loads no SDK, and no fetch, before it needs one', () => {
  const main = readFileSync(join(dist, 'agent-main.mjs'), 'utf8')
  expect(main).not.toMatch(/import[^;(]*from\s*"node:http"/)
  expect(main).not.toContain('AttachNetworkInterfaceCommand{')
  const { length } = main
  expect(length / 1e6).toBeLessThan(2.6)
})

test('lab and agent of the bundle work together, threads and machine code included', async () => {
  const lab = start({}, 'lab', '--name', 'bundle', '--port', '0', '--fresh')
  try {
    const env = await until(lab, () => {
      const { status, stdout } = enid('lab', 'env', '--name', 'bundle', '--json')
      return status === 0 ? (JSON.parse(stdout) as Record<string, string>) : undefined
    })
    // The probe's link is plugged in by the fabric's thread.
    const { stdout } = enid('lab', 'exec', '--name', 'bundle', '--', 'ip', '-br', 'address')
    expect(stdout).toMatch(/^eth0\S+\s+UP\s+10\./m)

    const own = {
      ...env,
      ENID_STATE_DIR: join(folder, 'state'),
      ENID_SOCKET: join(folder, 'enid.sock'),
      ENID_LISTEN: '',
    }
    const agent = start(own, 'agent')
    const flags = ['--socket', own.ENID_SOCKET, '--json']
    const list = await until(agent, () => {
      const { status, stdout } = enid('ps', ...flags)
      return status === 0 ? stdout : undefined
    })
    expect(JSON.parse(list)).toEqual({ tasks: [], quarantined: [] })
    expect(await end(agent)).toBe(0)

    // What V8 kept of the code is damaged: it is made anew, and nobody notices.
    const kept = filesBelow(join(folder, 'state/compiled'))
    expect(kept.length).toBeGreaterThan(5)
    for (const path of kept) writeFileSync(path, readFileSync(path).fill(7, 100))
    const next = start(own, 'agent')
    const same = await until(next, () => {
      const { status, stdout } = enid('ps', ...flags)
      return status === 0 ? stdout : undefined
    })
    expect(same).toBe(list)
    expect(await end(next)).toBe(0)
    expect(await end(lab)).toBe(0)
  } finally {
    lab.child.kill('SIGTERM')
    await lab.closed
  }
  expect(existsSync('/run/enid-lab/bundle')).toBe(false)
  expect(existsSync('/var/lib/enid-lab/bundle')).toBe(false)
  expect(readdirSync('/run/netns').filter((name) => name.includes('bundle'))).toEqual([])
})

const filesBelow = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** A command of the bundle that stays, with what it says. */
function start(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [join(dist, 'enid.mjs'), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...env },
  })
  const running = { child, said: '', closed: once(child, 'close') as Promise<[number | null]> }
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      running.said += chunk
    })
  }
  return running
}

async function until<T>(running: ReturnType<typeof start>, ask: () => T | undefined): Promise<T> {
  for (let attempt = 0; attempt < 150; attempt++) {
    const answer = ask()
    if (answer !== undefined) return answer
    if (running.child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`it does not come up: ${running.said.slice(-2000)}`)
}

async function end({ child, closed }: ReturnType<typeof start>): Promise<number | null> {
  child.kill('SIGTERM')
  const [code] = await closed
  return code
}
