// Goal: the listeners in the tasks outlive the agent: who asks while it is away waits for the next one;
// and what keeps them keeps no namespace and no card of a task that is over. Method: a stand-in for
// systemd (python, from the manual pages alone) keeps the sockets; the oracle is `ip` and curl.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const run = promisify(execFile)
const ip = async (...args: string[]) => (await run('ip', args)).stdout.trim()
const KEEPER = join(import.meta.dirname, 'fd-keeper.py')
const AGENT = join(import.meta.dirname, 'endpoint-agent.ts')

let folder: string
let control: string
let notify: string
let keeper: ChildProcess
const agents: ChildProcess[] = []
const made = new Set<string>()

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'enid-fds-'))
  control = join(folder, 'control')
  notify = join(folder, 'notify')
  keeper = spawn('python3', [KEEPER, 'serve', notify, control], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(keeper.stdout as NonNullable<typeof keeper.stdout>, 'data')
})
afterEach(async () => {
  for (const child of agents.splice(0)) await kill(child)
  await kill(keeper)
  for (const name of made) await ip('netns', 'delete', name)
  made.clear()
  rmSync(folder, { recursive: true })
})

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

const ask = async (...words: string[]): Promise<{ names: string[]; states: string[] }> =>
  JSON.parse((await run('python3', [KEEPER, 'ask', control, ...words])).stdout)
const kept = async (): Promise<string[]> => (await ask('list')).names

/** An agent under the keeper, to which these namespaces are known. */
async function startAgent(
  known: string[],
  env: Record<string, string> = { NOTIFY_SOCKET: notify },
) {
  const args = [KEEPER, 'exec', control, process.execPath, AGENT, ...known]
  const child = spawn('python3', args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  agents.push(child)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const answer = async () => JSON.parse((await lines.next()).value as string)
  const hello = (await answer()) as { pid: number; inherited: number; takenUp: number }
  return {
    hello,
    kill: () => kill(child),
    /** Ends as it does on SIGTERM: everything of its own closed. */
    async end() {
      child.stdin.end()
      await once(child, 'exit')
    },
    async say(line: string): Promise<unknown> {
      child.stdin.write(`${line}\n`)
      return await answer()
    },
  }
}

async function newNetns(): Promise<{ name: string; path: string }> {
  const name = `fd-${randomBytes(4).toString('hex')}`
  await ip('netns', 'add', name)
  made.add(name)
  return { name, path: `/run/netns/${name}` }
}

const curl = (name: string, url: string) =>
  run('ip', ['netns', 'exec', name, 'curl', '-sS', '-m', '20', url]).then(({ stdout }) =>
    stdout.trim(),
  )

const waiting = (name: string) =>
  ip('netns', 'exec', name, 'ss', '-Htln', 'sport', '=', ':51679').then((line) =>
    Number(line.split(/\s+/)[1]),
  )

/** A card in a namespace, by a MAC that is nobody else's. */
async function cardIn(name: string): Promise<string> {
  const link = `fd${randomBytes(4).toString('hex')}`
  const mac = `02:${[...randomBytes(5)].map((b) => b.toString(16).padStart(2, '0')).join(':')}`
  await ip('link', 'add', link, 'address', mac, 'type', 'veth', 'peer', 'name', `${link}p`)
  await ip('link', 'set', link, 'netns', name)
  await ip('-n', name, 'link', 'set', link, 'up')
  return mac
}

// P444
test('who asks while the agent is away, killed or ended, is answered by the next', async () => {
  const { name, path } = await newNetns()
  let agent = await startAgent([])
  expect(agent.hello).toMatchObject({ inherited: 0, takenUp: 0 })
  await agent.say(`hold ${path}`)
  expect(await kept()).toEqual([path])
  for (const how of ['kill', 'end'] as const) {
    await agent[how]()
    const asked = ['/v4/a', '/v4/b', '/v4/c'].map((url) => curl(name, `http://169.254.170.2${url}`))
    await expect.poll(() => waiting(name), { timeout: 10_000 }).toBe(3)
    agent = await startAgent([path])
    expect(agent.hello).toMatchObject({ inherited: 1, takenUp: 1 })
    await agent.say(`hold ${path}`)
    const { pid } = agent.hello
    expect(await Promise.all(asked)).toEqual(
      ['/v4/a', '/v4/b', '/v4/c'].map((url) => `${pid} for ${path}: ${url}`),
    )
    expect(await kept()).toEqual([path])
  }
}, 180_000)

// P444
test('where nobody keeps it, it is opened anew', async () => {
  const { name, path } = await newNetns()
  const agent = await startAgent([], { NOTIFY_SOCKET: '' })
  await agent.say(`hold ${path}`)
  expect(await kept()).toEqual([])
  await agent.kill()
  await expect(curl(name, 'http://169.254.170.2/')).rejects.toThrow(/Couldn't connect|refused/)
  const next = await startAgent([path], { NOTIFY_SOCKET: '' })
  expect(next.hello).toMatchObject({ inherited: 0, takenUp: 0 })
  await next.say(`hold ${path}`)
  expect(await curl(name, 'http://169.254.170.2/x')).toBe(`${next.hello.pid} for ${path}: /x`)
}, 90_000)

// P445
test('once a namespace is dropped nothing of it is kept, in whichever life', async () => {
  const [one, two, three] = [await newNetns(), await newNetns(), await newNetns()]
  const agent = await startAgent([])
  for (const { path } of [one, two, three]) await agent.say(`hold ${path}`)
  await agent.say(`drop ${one.path}`)
  expect(await kept()).toEqual([two.path, three.path])
  await agent.kill()
  const next = await startAgent([two.path, three.path])
  // One that is served again, and one that was only taken up.
  await next.say(`hold ${two.path}`)
  await next.say(`drop ${two.path}`)
  await next.say(`drop ${three.path}`)
  expect(await kept()).toEqual([])
}, 90_000)

// P445
test('a task that died while the agent was away gets its card back at once, and its namespace goes', async () => {
  const { name, path } = await newNetns()
  const far = `fv${randomBytes(4).toString('hex')}`
  await ip('link', 'add', far, 'type', 'veth', 'peer', 'name', 'near', 'netns', name)
  const mac = await cardIn(name)
  const home = `out${mac.replaceAll(':', '')}`
  const agent = await startAgent([])
  await agent.say(`hold ${path}`)
  await agent.kill()
  await ip('netns', 'delete', name)
  made.delete(name)
  // What is kept keeps the namespace, with the card in it: nobody could bring that home by its path.
  expect(await ip('-o', 'link', 'show')).toContain(far)
  expect(await ip('-o', 'link', 'show')).not.toContain(mac)
  const next = await startAgent([path])
  expect(next.hello).toMatchObject({ takenUp: 1 })
  expect(await next.say(`give ${mac} ${path}`)).toMatchObject({ name: home })
  expect(await ip('-o', 'link', 'show')).toContain(mac)
  await next.say(`drop ${path}`)
  expect(await kept()).toEqual([])
  // The far end of the veth dies with the namespace.
  await expect.poll(() => ip('-o', 'link', 'show'), { timeout: 5_000 }).not.toContain(far)
  await ip('link', 'delete', home)
}, 90_000)

// P445
test('what no task holds any more is closed at the start, and its namespace goes', async () => {
  const { name, path } = await newNetns()
  const far = `fv${randomBytes(4).toString('hex')}`
  await ip('link', 'add', far, 'type', 'veth', 'peer', 'name', 'near', 'netns', name)
  const agent = await startAgent([])
  await agent.say(`hold ${path}`)
  await agent.kill()
  await ip('netns', 'delete', name)
  made.delete(name)
  expect((await startAgent([])).hello).toMatchObject({ inherited: 1, takenUp: 0 })
  expect(await kept()).toEqual([])
  await expect.poll(() => ip('-o', 'link', 'show'), { timeout: 5_000 }).not.toContain(far)
}, 90_000)

// P446
test('what is no listener of that namespace is closed and thrown out, and one is opened', async () => {
  const [one, two, three] = [await newNetns(), await newNetns(), await newNetns()]
  const agent = await startAgent([])
  await agent.say(`hold ${three.path}`)
  await agent.kill()
  await ask('garbage', one.path)
  // One born there, and listening elsewhere than ours.
  await ip('netns', 'exec', two.name, 'python3', KEEPER, 'listen', notify, two.path)
  await ask('garbage', 'not-of-ours')
  // A listener as ours, where another namespace has come to have that path.
  await ip('netns', 'delete', three.name)
  await ip('netns', 'add', three.name)
  expect(await kept()).toHaveLength(4)
  const known = [one, two, three].map(({ path }) => path)
  const next = await startAgent(known)
  expect(next.hello).toMatchObject({ inherited: 4, takenUp: 0 })
  expect(await kept()).toEqual([])
  const open = readdirSync(`/proc/${next.hello.pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${next.hello.pid}/fd/${fd}`)
    } catch {
      return ''
    }
  })
  expect(open.filter((file) => file.includes('garbage'))).toEqual([])
  for (const { name, path } of [one, two, three]) {
    expect(await next.say(`hold ${path}`)).toBeNull()
    expect(await curl(name, 'http://169.254.170.2/')).toBe(`${next.hello.pid} for ${path}: /`)
  }
  expect(await kept()).toEqual(known)
  expect(await next.say('env')).toEqual([])
}, 90_000)
