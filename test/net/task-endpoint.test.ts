// Goal: a task reaches its agent at 169.254.170.2 and nobody else's, by a socket born in its own
// namespace; its own servers and packets are not in the way; and the namespace goes when it should.
// Method: namespaces made by `ip`, requests by curl inside them; the oracle is `ip`, `ss` and `nft`.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Endpoints, RATE } from '../../agent/drivers/endpoints.ts'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'

const run = promisify(execFile)
const ip = async (...args: string[]) => (await run('ip', args)).stdout.trim()

let hands: Kernel
let endpoints: Endpoints
const made = new Set<string>()

beforeAll(() => {
  hands = openKernel({ warn: () => {}, error: console.error })
})
afterAll(() => hands.close())
beforeEach(() => {
  endpoints = newEndpoints()
})
afterEach(async () => {
  await endpoints.closeAll()
  for (const name of made) {
    await hands.dropNetns(`/run/netns/${name}`)
    await ip('netns', 'delete', name)
  }
  made.clear()
})

function newEndpoints(): Endpoints {
  const all = new Endpoints(hands)
  all.answerWith((netns, request, response) => response.end(`${netns} asks for ${request.url}\n`))
  return all
}

async function newNetns(): Promise<{ name: string; path: string }> {
  const name = `te-${randomBytes(4).toString('hex')}`
  await ip('netns', 'add', name)
  made.add(name)
  return { name, path: `/run/netns/${name}` }
}

const inside = (name: string, ...command: string[]) =>
  run('ip', ['netns', 'exec', name, ...command])

const curl = async (name: string, url: string, ...more: string[]): Promise<string> => {
  const { stdout } = await inside(name, 'curl', '-sS', '-m', '3', ...more, url)
  return stdout.trim()
}

// P443
test('what went over a card is counted as ip counts it', async () => {
  const { name, path } = await newNetns()
  await ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other')
  for (const link of ['lo', 'eth0', 'other']) await ip('-n', name, 'link', 'set', link, 'up')
  await ip('-n', name, 'address', 'add', '192.0.2.1/24', 'dev', 'eth0')
  // IPv6 would say things of its own accord, and be counted between two looks.
  await inside(name, 'busybox', 'sysctl', '-w', 'net.ipv6.conf.all.disable_ipv6=1')
  // Nobody is there: what goes out is the question who has the address, once.
  await inside(name, 'busybox', 'sysctl', '-w', 'net.ipv4.neigh.eth0.mcast_solicit=1')
  await inside(name, 'busybox', 'ping', '-c1', '-W1', '192.0.2.9').catch(() => {})
  const { eth0, other, ...rest } = await hands.countLinks(path)
  const links = JSON.parse(await ip('-n', name, '-s', '-j', 'link')) as {
    ifname: string
    stats64: Record<'rx' | 'tx', { bytes: number; packets: number; dropped: number }>
  }[]
  const seen = links.find(({ ifname }) => ifname === 'eth0')?.stats64
  expect(eth0?.tx_packets).toBeGreaterThan(0)
  expect(eth0).toMatchObject({
    ...{ tx_packets: seen?.tx.packets, tx_bytes: seen?.tx.bytes, rx_bytes: seen?.rx.bytes },
    ...{ rx_packets: seen?.rx.packets, tx_dropped: seen?.tx.dropped, rx_errors: 0 },
  })
  expect(other?.rx_bytes).toBe(eth0?.tx_bytes)
  expect(rest).toEqual({})
  await expect(hands.countLinks('/run/netns/nowhere')).rejects.toMatchObject({ errno: 'ENOENT' })
})

// P311
test('a request says whose it is by the socket it came by', async () => {
  const [one, two] = [await newNetns(), await newNetns()]
  for (const { path } of [one, two]) await endpoints.kernel.holdNetns(path)
  for (const { name, path } of [one, two]) {
    expect(await curl(name, 'http://169.254.170.2/v4/x')).toBe(`${path} asks for /v4/x`)
    // The port that it really is at is nobody's way.
    await expect(curl(name, 'http://169.254.170.2:51679/y')).rejects.toThrow(/imed out|imeout/)
  }
  // Nothing of it is in the host's own namespace.
  expect(await ip('-o', 'address', 'show')).not.toContain('169.254.170.2')
  expect((await run('ss', ['-Htln'])).stdout).not.toContain('51679')
})

// P312
test('the task may serve on port 80 itself, and reach that', async () => {
  const { name, path } = await newNetns()
  await endpoints.kernel.holdNetns(path)
  const script =
    "require('http').createServer((_, r) => r.end('own')).listen(80, '0.0.0.0', () => console.log('up'))"
  const child = execFile('ip', ['netns', 'exec', name, process.execPath, '-e', script])
  try {
    await new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()))
    expect(await curl(name, 'http://127.0.0.1/')).toBe('own')
    expect(await curl(name, 'http://169.254.170.2/z')).toBe(`${path} asks for /z`)
  } finally {
    child.kill('SIGKILL')
  }
})

// P312
test('no packet of the task is tracked, not those to it either', async () => {
  const { name, path } = await newNetns()
  await endpoints.kernel.holdNetns(path)
  const count = async () =>
    Number((await inside(name, 'cat', '/proc/sys/net/netfilter/nf_conntrack_count')).stdout)
  await inside(name, 'bash', '-c', 'echo x > /dev/udp/127.0.0.1/9; echo x > /dev/udp/127.0.0.2/9')
  await curl(name, 'http://169.254.170.2/')
  expect(await count()).toBe(0)
})

// P312
test('a task that tracks and turns packets for itself reaches it all the same', async () => {
  const { name, path } = await newNetns()
  await endpoints.kernel.holdNetns(path)
  // As a proxy beside the task's program does it: to one port, wherever it was meant for.
  const own = `table ip own {
    chain in {
      type filter hook input priority 0
      ct state invalid drop
    }
    chain nat {
      type nat hook output priority -100
      ip daddr 127.0.0.2 tcp dport 8080 redirect to :80
    }
  }`
  const script =
    "require('http').createServer((_, r) => r.end('proxy')).listen(80, '0.0.0.0', () => console.log('up'))"
  const child = execFile('ip', ['netns', 'exec', name, process.execPath, '-e', script])
  try {
    await new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()))
    await inside(name, 'nft', own)
    expect(await curl(name, 'http://127.0.0.2:8080/')).toBe('proxy')
    expect(await curl(name, 'http://169.254.170.2/x')).toBe(`${path} asks for /x`)
  } finally {
    child.kill('SIGKILL')
  }
})

test('held twice it is opened once, and an agent that follows opens it at once', async () => {
  const { name, path } = await newNetns()
  await Promise.all([endpoints.kernel.holdNetns(path), endpoints.kernel.holdNetns(path)])
  await curl(name, 'http://169.254.170.2/')
  await endpoints.closeAll()
  const next = newEndpoints()
  await next.kernel.holdNetns(path)
  expect(await curl(name, 'http://169.254.170.2/again')).toBe(`${path} asks for /again`)
  await next.closeAll()
})

// P312
test('once it is dropped nothing keeps the namespace, not a connection that is open', async () => {
  const { name, path } = await newNetns()
  const link = `te${randomBytes(4).toString('hex')}`
  await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  await endpoints.kernel.holdNetns(path)
  // Connects and says nothing.
  const idle = execFile('ip', [
    'netns',
    'exec',
    name,
    'bash',
    '-c',
    'exec 3<>/dev/tcp/169.254.170.2/80; echo up; sleep 30',
  ])
  await new Promise<void>((resolve) => idle.stdout?.once('data', () => resolve()))
  await endpoints.kernel.dropNetns(path)
  idle.kill('SIGKILL')
  made.delete(name)
  await ip('netns', 'delete', name)
  // The far end of the veth dies with the namespace.
  await expect.poll(() => ip('-o', 'link', 'show'), { timeout: 5_000 }).not.toContain(link)
})

// P357
test('a neighbour on the same wire, who routes by the task, is not answered', async () => {
  const [one, two] = [await newNetns(), await newNetns()]
  await ip('-n', one.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'eth0', 'netns', two.name)
  for (const [n, { name }] of [one, two].entries()) {
    await ip('-n', name, 'address', 'add', `10.9.0.${n + 1}/24`, 'dev', 'eth0')
    await ip('-n', name, 'link', 'set', 'eth0', 'up')
  }
  await ip('-n', one.name, 'route', 'add', '169.254.170.2/32', 'via', '10.9.0.2')
  await endpoints.kernel.holdNetns(two.path)
  // The wire carries: what is refused by the other's own port is an answer.
  await expect(curl(one.name, 'http://10.9.0.2:51679/')).rejects.toThrow(/Couldn't connect/)
  for (const port of [51679, 80]) {
    const asked = curl(one.name, `http://169.254.170.2:${port}/`)
    await expect(asked).rejects.toThrow(/Couldn't connect|timed out/)
  }
  expect(await curl(two.name, 'http://169.254.170.2/own')).toBe(`${two.path} asks for /own`)
})

// P312
test('the task is answered from whichever of its addresses it asks', async () => {
  const { name, path } = await newNetns()
  await ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far')
  await ip('-n', name, 'address', 'add', '10.9.0.1/24', 'dev', 'eth0')
  for (const link of ['eth0', 'far']) await ip('-n', name, 'link', 'set', link, 'up')
  await endpoints.kernel.holdNetns(path)
  for (const from of ['10.9.0.1', '127.0.0.1', '169.254.170.2']) {
    const answer = await curl(name, 'http://169.254.170.2/own', '--interface', from)
    expect(answer, from).toBe(`${path} asks for /own`)
  }
})

// P313
test('one task that asks too often is told so, and another is answered', async () => {
  const [one, two] = [await newNetns(), await newNetns()]
  for (const { path } of [one, two]) await endpoints.kernel.holdNetns(path)
  const many = Array.from({ length: RATE.burst * 2 }, () => 'http://169.254.170.2/')
  const codes = await curl(
    one.name,
    many[0] ?? '',
    ...many.slice(1),
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}\\n',
  )
  expect(codes).toContain('429')
  expect(await curl(two.name, 'http://169.254.170.2/')).toContain(two.path)
})

test('before the agent can answer it says so', async () => {
  const { name, path } = await newNetns()
  const early = new Endpoints(hands)
  await early.kernel.holdNetns(path)
  expect(await curl(name, 'http://169.254.170.2/', '-w', ' %{http_code}')).toMatch(/starting" 503$/)
  await early.closeAll()
})
