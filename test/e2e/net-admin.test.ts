// Goal: a task that its definition makes root with NET_ADMIN and NET_RAW, on a host that allows it, gets
// no packet past the security groups, and no credentials but its own: ECScape's steps, one by one.
// Method: a real such task, which does itself what it tries; what arrives is counted at the other's card.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must, program } from '../../scripts/demo/program.ts'
import { mountPoints, volumes } from './host-programs.ts'
import { fact, Rig } from './rig.ts'

const ACCOUNT = 'arn:aws:iam::123456789012:role'
const KEYS = {
  evil: { AccessKeyId: 'AKIAEVIL', SecretAccessKey: 'secret-of-evil' },
  victim: { AccessKeyId: 'AKIAVICTIM', SecretAccessKey: 'secret-of-victim' },
}
const WEB = 'mkdir /www; echo yes > /www/index.html; exec /busybox httpd -f -p 8080 -h /www'
const IMDS = 'http://169.254.169.254/latest'

let rig: Rig
let folder = ''
/** The tasks by what they are, and their addresses. */
const ids: Record<string, string> = {}
const addresses: Record<string, string> = {}

const capabilities = { add: ['NET_ADMIN', 'NET_RAW'] }
const asking = { user: '0', linuxParameters: { capabilities } }

beforeAll(async () => {
  rig = await Rig.open()
  folder = mkdtempSync(join(tmpdir(), 'enid-net-admin-'))
  const roles = Object.entries(KEYS).map(([name, keys]) => [`${ACCOUNT}/${name}`, { static: keys }])
  const file = join(folder, 'roles.json')
  writeFileSync(file, JSON.stringify(Object.fromEntries(roles)))
  chmodSync(file, 0o600)
  rig.env.ENID_ROLES_FILE = file
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
}, 180_000)
afterAll(async () => {
  await rig?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function begin(name: string, group: string, role?: string): Promise<void> {
  const change = { memory: 128, mountPoints, ...(name === 'evil' ? asking : {}) }
  const more = { volumes, ...(role === undefined ? {} : { taskRoleArn: `${ACCOUNT}/${role}` }) }
  await rig.define(name, WEB, change, more)
  const [id = ''] = await rig.run(name, [group])
  ids[name] = id
  addresses[name] = fact(await rig.waitFor(id, 'RUNNING', 120_000), 'privateIPv4Address')
}

/** What a program does inside a task's own container, with what that container may. */
async function within(name: string, ...command: string[]) {
  const container = await rig.containerId(ids[name] ?? '', 'container:app')
  return await program('docker', ['exec', container, ...command], { timeoutMs: 20_000 })
}
const curl = (name: string, ...args: string[]) => within(name, 'curl', '-sS', '-m', '2', ...args)
const page = async (from: string, to: string) =>
  (await curl(from, `http://${addresses[to]}:8080/`)).stdout.trim()

const variable = async (name: string, key: string): Promise<string> => {
  const container = await rig.containerId(ids[name] ?? '', 'container:app')
  const text = await must('docker', ['inspect', '--format', '{{json .Config.Env}}', container])
  const line = (JSON.parse(text) as string[]).find((one) => one.startsWith(`${key}=`))
  return line?.slice(key.length + 1) ?? expect.fail(`no ${key}`)
}
const CREDENTIALS = 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'

// P500
test('is refused where the host does not allow it, with the setting that would', async () => {
  await expect(rig.define('evil', WEB, asking)).rejects.toThrow(
    /capabilities\.add\[0\]: NET_ADMIN could take the block .* ENID_NET_ADMIN=true/,
  )
  await rig.endAgent('SIGTERM')
  rig.env.ENID_NET_ADMIN = 'true'
  await rig.startAgent()
  const friends = await rig.group('friends')
  const guarded = await rig.group('guarded', { port: 8080, fromGroup: friends })
  await begin('friend', friends)
  await begin('victim', guarded, 'victim')
  await begin('evil', await rig.group('evil', { port: 8080, fromGroup: friends }), 'evil')
  // It is what it says it is: both capabilities, by the kernel's word.
  const { stdout } = await within('evil', 'cat', '/proc/self/status')
  const effective = BigInt(`0x${/^CapEff:\s+(\w+)$/m.exec(stdout)?.[1]}`)
  const [NET_ADMIN, NET_RAW] = [12n, 13n]
  expect([(effective >> NET_ADMIN) & 1n, (effective >> NET_RAW) & 1n]).toEqual([1n, 1n])
  const changed = await within('evil', 'ip', 'link', 'set', 'eth0', 'txqueuelen', '500')
  expect(changed, changed.stderr).toMatchObject({ code: 0 })
}, 150_000)

// P501
test('gets no packet past the groups, out or in, whatever it does to its own namespace', async () => {
  await expect.poll(() => page('friend', 'victim'), { timeout: 10_000 }).toBe('yes')
  await expect.poll(() => page('friend', 'evil'), { timeout: 10_000 }).toBe('yes')
  expect(await page('evil', 'victim'), 'evil to victim').toBe('')
  expect(await page('victim', 'evil'), 'victim to evil').toBe('')
  // Whatever rules are in its namespace are gone, and it answers to all: its group is not in there.
  await within('evil', 'nft', 'flush', 'ruleset')
  expect(await page('victim', 'evil'), 'victim to evil, without rules').toBe('')
  expect(await page('friend', 'evil')).toBe('yes')
}, 90_000)

/** Counts, at the victim's card, what comes for its port. */
async function countArrivals(): Promise<() => Promise<number>> {
  const rules = [
    'table inet see {',
    '  counter c { }',
    '  chain in {',
    '    type filter hook prerouting priority -400; policy accept;',
    '    iifname "eth0" tcp dport 8080 counter name c',
    '  }',
    '}',
  ]
  const file = join(folder, 'see.nft')
  writeFileSync(file, `${rules.join('\n')}\n`)
  const inside = (...args: string[]) => rig.inside(ids.victim ?? '', ...args)
  const loaded = await inside('nft', '-f', file)
  expect(loaded, loaded.stderr).toMatchObject({ code: 0 })
  return async () => {
    const { stdout } = await inside('nft', '-j', 'list', 'counter', 'inet', 'see', 'c')
    const { nftables } = JSON.parse(stdout) as { nftables: { counter?: { packets: number } }[] }
    return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? -1
  }
}

// P501
test('gets none there in a friend’s name either: not by frames, an address or a MAC', async () => {
  const arrived = await countArrivals()
  expect(await page('friend', 'victim')).toBe('yes')
  const proof = await arrived()
  expect(proof).toBeGreaterThan(0)

  const [friend = '', victim = ''] = [addresses.friend, addresses.victim]
  const macOf = async (name: string) => fact(await rig.task(ids[name] ?? ''), 'macAddress')
  const neighbours = await within('evil', 'ip', '-j', 'neigh', 'show', 'dev', 'eth0')
  const routers = (JSON.parse(neighbours.stdout) as { lladdr?: string }[]).flatMap(
    ({ lladdr }) => lladdr ?? [],
  )
  expect(routers.length).toBeGreaterThan(0)
  const macs = [...new Set(routers), await macOf('victim'), 'ff:ff:ff:ff:ff:ff']
  const python = ['/usr/bin/python3', '/app/consumers/spoof.py']
  const sent = await within('evil', ...python, friend, victim, '8080', ...macs)
  expect(sent, sent.stderr).toMatchObject({ code: 0, stdout: 'sent\n' })

  await within('evil', 'ip', 'address', 'add', `${friend}/32`, 'dev', 'eth0')
  const inItsName = ['--interface', friend, `http://${victim}:8080/`]
  expect((await curl('evil', ...inItsName)).code).not.toBe(0)
  await within('evil', 'ip', 'link', 'set', 'eth0', 'address', await macOf('friend'))
  expect((await curl('evil', ...inItsName)).code).not.toBe(0)
  await within('evil', 'ip', 'link', 'set', 'eth0', 'address', await macOf('evil'))
  await within('evil', 'ip', 'address', 'del', `${friend}/32`, 'dev', 'eth0')
  expect(await arrived()).toBe(proof)
  // And the friend was not harmed.
  expect(await page('friend', 'victim')).toBe('yes')
}, 90_000)

// P503
test('that takes the block of IMDS off its link has it again at once', async () => {
  const id = ids.evil ?? ''
  const standing = async () => (await rig.inside(id, 'nft', '-j', 'list', 'ruleset')).stdout
  await expect.poll(standing, { timeout: 10_000 }).toContain('enid-eth0')
  const flushed = await within('evil', 'nft', 'delete', 'table', 'netdev', 'enid-eth0')
  expect(flushed, flushed.stderr).toMatchObject({ code: 0 })
  await expect.poll(standing, { timeout: 5_000, interval: 100 }).toContain('enid-eth0')
  expect((await curl('evil', `${IMDS}/meta-data/`)).code).not.toBe(0)
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
}, 180_000)

// P503
test('and follows ECScape’s steps gets no credentials but its own', async () => {
  // 1. Become the instance: the role's name and keys at IMDS, in the moment without the block.
  const steps = [
    'nft flush ruleset',
    `TOKEN=$(curl -sS -m 2 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" ${IMDS}/api/token)`,
    `curl -sS -m 2 -H "X-aws-ec2-metadata-token: $TOKEN" ${IMDS}/meta-data/iam/security-credentials/`,
    `curl -sS -m 2 -H "X-aws-ec2-metadata-token: $TOKEN" ${IMDS}/identity-credentials/ec2/security-credentials/ec2-instance`,
  ]
  const instance = await within('evil', '/busybox', 'sh', '-c', steps.join('; '))
  expect(instance.stdout).not.toMatch(/AccessKeyId|SecretAccessKey/)

  // 2. Learn of the agent and the other tasks where ECS's agent tells: its introspection, its API.
  const agentPort = rig.env.ENID_LISTEN?.split(':')[1] ?? ''
  for (const port of ['51678', '51679', agentPort]) {
    for (const host of ['127.0.0.1', '169.254.170.2', '10.0.0.1', addresses.victim ?? '']) {
      const { stdout } = await curl('evil', `http://${host}:${port}/v1/tasks`)
      expect(stdout, `${host}:${port}`).not.toContain(ids.victim ?? '')
    }
  }

  // 3. Ask for the other's credentials by their id, known by whatever way.
  const theirs = await variable('victim', CREDENTIALS)
  for (const at of ['169.254.170.2', '169.254.170.2:51679', '127.0.0.1:51679']) {
    const { stdout } = await curl('evil', `http://${at}${theirs}`)
    expect(stdout, at).not.toContain(KEYS.victim.SecretAccessKey)
  }
  expect((await curl('evil', `http://169.254.170.2${theirs}`)).stdout).toContain(
    'InvalidIdInRequest',
  )

  // 4. Answer in the agent's place, to a task whose requests come by: none does.
  await within('evil', 'ip', 'address', 'add', '169.254.170.2/32', 'dev', 'eth0')
  const mine = await variable('victim', CREDENTIALS)
  expect((await curl('victim', `http://169.254.170.2${mine}`)).stdout).toContain(
    KEYS.victim.SecretAccessKey,
  )
  await within('evil', 'ip', 'address', 'del', '169.254.170.2/32', 'dev', 'eth0')
  // Its own it is given, as before all this.
  const own = await variable('evil', CREDENTIALS)
  await expect
    .poll(async () => (await curl('evil', `http://169.254.170.2${own}`)).stdout, {
      timeout: 10_000,
    })
    .toContain(KEYS.evil.SecretAccessKey)
}, 120_000)

test('nothing is left', async () => {
  await rig.stopAndWait(...Object.values(ids))
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 90_000)
