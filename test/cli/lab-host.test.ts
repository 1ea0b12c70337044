// Goal: `enid lab host` asks the lab for just what the command line says, shows what it answers, and
// refuses a wrong line before anybody is asked. Method: the command over a lab that keeps what it was
// asked; what a host does is test/net's.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CommandError, parse } from '../../cli/command.ts'
import { lab } from '../../cli/lab.ts'
import { labHost } from '../../cli/lab-host.ts'

const HOST = {
  name: 'web',
  instanceId: 'i-0123456789abcdef0',
  instanceType: 'c5.large',
  zone: 'us-west-2a',
  state: 'running',
  netns: '/run/netns/enid-lab-x.host.web',
  ipv4: '10.0.0.5',
  eniCount: 1,
  pid: 4711,
  dockerd: { pid: 4712, running: true, log: '/log' },
  env: { AWS_REGION: 'us-west-2', ODD: "it's" },
}
const DEAD = {
  ...HOST,
  name: 'db',
  dockerd: { pid: 9, running: false, log: '/var/log' },
  problem: 'gone',
}

let asked: unknown[][] = []
let answer: unknown
let shown = ''
beforeEach(() => {
  asked = []
  shown = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    shown += text
    return true
  })
})
afterEach(() => vi.restoreAllMocks())

const connection = {
  name: 'x',
  ask: async (...question: unknown[]) => {
    asked.push(question)
    return answer
  },
  lines: (): AsyncIterable<string> => {
    throw new Error('nobody follows a host')
  },
}
const host = (...argv: string[]) => labHost(() => connection, parse(lab, ['host', ...argv]))

test('add says what the line says, and shows the host that came of it', async () => {
  answer = HOST
  await host('add', 'web', '--type', 'c5.large', '--group', 'sg-1,web', '--docker')
  const wish = { name: 'web', instanceType: 'c5.large', groupIds: ['sg-1'], groupNames: ['web'] }
  expect(asked).toEqual([['POST', '/lab/hosts', { ...wish, docker: true }]])
  expect(shown).toMatch(/host +web\ninstance +i-0123456789abcdef0 \(c5\.large, us-west-2a\)/)
  expect(shown).toContain('enid lab host exec web -- CMD…')
})

test('list has a line for each host, with its dockerd or the end of it', async () => {
  answer = { hosts: [HOST, DEAD] }
  await host('list')
  const lines = shown.trim().split('\n')
  expect(lines[1]).toMatch(/^web .* 10\.0\.0\.5 +1 +running +pid 4712$/)
  expect(lines[2]).toMatch(/^db .* running \(gone\) +has ended; its log: \/var\/log$/)
})

test('env prints what a shell takes in, or JSON', async () => {
  answer = HOST
  await host('env', 'web')
  expect(shown).toBe(`export AWS_REGION='us-west-2'\nexport ODD='it'\\''s'\n`)
  shown = ''
  await host('env', 'web', '--json')
  expect(JSON.parse(shown)).toEqual(HOST.env)
  expect(asked[0]).toEqual(['GET', '/lab/hosts/web'])
})

test('remove asks for the end of that very host', async () => {
  answer = { removed: 'a/b' }
  await host('remove', 'a/b')
  expect(asked).toEqual([['DELETE', '/lab/hosts/a%2Fb']])
})

test.each<[string[], string]>([
  [['ad'], 'unknown word ad: did you mean add?'],
  [['frobnicate'], 'unknown word frobnicate: add, list, env, exec, remove'],
  [['list', 'web'], 'what is "web"?'],
  [['list', '--docker'], 'takes no --docker'],
  [['remove', 'web', '--type', 'c5.large'], 'takes no --type'],
  [['remove'], 'name the host: enid lab host list'],
  [['env'], 'name the host'],
  [['exec', 'web'], 'name the command: enid lab host exec NAME -- CMD…'],
])('%j is refused, and nobody is asked', async (argv, words) => {
  const refusal = await host(...argv).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(CommandError)
  expect(refusal).toMatchObject({ exitCode: 2, message: expect.stringContaining(words) })
  expect(asked).toEqual([])
})

test('a host without a machine is refused with its state', async () => {
  const { env: _env, pid: _pid, ...pending } = HOST
  answer = { ...pending, state: 'pending' }
  await expect(host('env', 'web')).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringContaining('is pending'),
  })
})
