// Goal: programs that run on ECS find their role's credentials, secrets and variables here, unchanged;
// and a task that is root with every network capability gets nobody else's. Method: the AWS SDK for
// JavaScript and the AWS CLI inside tasks, an STS in a third that checks their signatures, and real
// packets from inside a task's namespace.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { openStores, type Stores } from '../agent/secret-stores.ts'
import { mountPoints, NODE, volumes } from './host-programs.ts'
import { fact, Rig } from './rig.ts'

const ACCOUNT = 'arn:aws:iam::123456789012:role'
const WEB = {
  role: `${ACCOUNT}/web`,
  id: 'ASIAWEB',
  secret: 'secret/of+web',
  token: 'token-of-web',
}
const BRIEF = { role: `${ACCOUNT}/brief` }
const OTHER = { role: `${ACCOUNT}/other`, id: 'AKIAOTHER', secret: 'secret-of-other' }

let rig: Rig
let folder = ''
let group = ''
let stsUrl = ''
let stores: Stores

beforeAll(async () => {
  rig = await Rig.open()
  folder = mkdtempSync(join(tmpdir(), 'enid-credentials-'))
  rig.env.ENID_ROLES_FILE = join(folder, 'roles.json')
  rig.env.ENID_SECRETS_DIR = join(folder, 'secrets')
  stores = await openStores()
  for (const service of ['SSM', 'SECRETS_MANAGER', 'S3']) {
    rig.env[`AWS_ENDPOINT_URL_${service}`] = stores.url
  }
  layOut()
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
  group = await rig.group('all', { port: 8080, cidr: '10.0.0.0/16' })
}, 180_000)
afterAll(async () => {
  await rig?.close()
  await stores?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** One role's credentials are printed by a program, the other's stand in the file. */
function layOut(): void {
  const Expiration = new Date(Date.now() + 3_600_000).toISOString()
  const keys = { AccessKeyId: WEB.id, SecretAccessKey: WEB.secret, SessionToken: WEB.token }
  const program = join(folder, 'helper')
  const printed = JSON.stringify({ Version: 1, ...keys, Expiration })
  writeFileSync(program, `#!/bin/sh\necho '${printed}'\n`)
  chmodSync(program, 0o700)
  // Others each time, good for four seconds.
  const brief = join(folder, 'brief')
  const members = '"AccessKeyId": "ASIA%s", "SecretAccessKey": "s", "Expiration": "%s"'
  const inFour = '$(date -u -d "+4 seconds" +%Y-%m-%dT%H:%M:%SZ)'
  const lines = ['#!/bin/sh', 'sleep 0.5', `printf '{"Version": 1, ${members}}' $$ "${inFour}"`, '']
  writeFileSync(brief, lines.join('\n'))
  chmodSync(brief, 0o700)
  const ofOther = { AccessKeyId: OTHER.id, SecretAccessKey: OTHER.secret }
  const roles = {
    [WEB.role]: { process: [program] },
    [BRIEF.role]: { process: [brief] },
    [OTHER.role]: { static: ofOther },
  }
  writeFileSync(rig.env.ENID_ROLES_FILE ?? '', JSON.stringify(roles), { mode: 0o600 })
  mkdirSync(rig.env.ENID_SECRETS_DIR ?? '')
  writeFileSync(join(folder, 'secrets/login.json'), '{"password":"hunter2"}')
  writeFileSync(join(folder, 'secrets/web.env'), '# ours\nCOLOUR=blue\nSHAPE=round\n')
}

/** Defines and runs a task of one line; its id once it runs. */
async function begin(
  family: string,
  line: string,
  {
    container = {},
    role,
    executionRole,
  }: { container?: Parameters<Rig['define']>[2]; role?: string; executionRole?: string } = {},
): Promise<string> {
  const change = { memory: 512, mountPoints, ...container }
  const more = {
    volumes,
    ...(role === undefined ? {} : { taskRoleArn: role }),
    ...(executionRole === undefined ? {} : { executionRoleArn: executionRole }),
  }
  await rig.define(family, line, change, more)
  const [id = ''] = await rig.run(family, [group])
  await rig.waitFor(id, 'RUNNING', 120_000)
  return id
}

/** What the task has written, once this is in it. */
async function written(id: string, mark: string): Promise<string> {
  const deadline = performance.now() + 40_000
  for (;;) {
    const { stdout } = await rig.enid('logs', id)
    if (stdout.includes(mark) || performance.now() > deadline) return stdout
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const REST = 'exec /busybox sleep 600'
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${rig.ecsUrl}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}
const ARN = (role: string) => `${role.replace(':iam:', ':sts:').replace('role', 'assumed-role')}/t`

describe('programs that run on ECS', () => {
  beforeAll(async () => {
    const keys = {
      [WEB.id]: { secret: WEB.secret, token: WEB.token, arn: ARN(WEB.role) },
      // Keys without a token are signed without one.
      [OTHER.id]: { secret: OTHER.secret, arn: ARN(OTHER.role) },
    }
    writeFileSync(join(folder, 'secrets/keys.json'), JSON.stringify(keys))
    const secrets = [{ name: 'KEYS', valueFrom: 'file:keys.json' }]
    const line = `exec ${NODE} /app/consumers/sts.mjs`
    const id = await begin('sts', line, { container: { secrets } })
    await written(id, 'up')
    stsUrl = `http://${fact(await rig.task(id), 'privateIPv4Address')}:8080`
  }, 180_000)

  // P353
  test('the AWS SDK for JavaScript signs with the credentials of its task’s role', async () => {
    const line = `${NODE} /app/consumers/sdk.mjs ${stsUrl}; echo over; ${REST}`
    for (const { role } of [WEB, OTHER]) {
      const id = await begin(`sdk-${role.split('/')[1]}`, line, { role })
      const said = await written(id, 'over')
      expect(JSON.parse(said.split('\n').find((text) => text.startsWith('{')) ?? said)).toEqual({
        ...{ byName: ARN(role), byItself: ARN(role), isExpiring: true },
      })
      await rig.stopAndWait(id)
    }
  }, 120_000)

  // P353
  test('the AWS CLI signs with the credentials of its task’s role', async () => {
    const aws = '/usr/bin/python3 /usr/bin/aws'
    const ask = `${aws} sts get-caller-identity --region us-west-2 --endpoint-url ${stsUrl}`
    const id = await begin('cli', `${ask} --output text; echo over; ${REST}`, { role: WEB.role })
    expect(await written(id, 'over')).toContain(ARN(WEB.role))
    await rig.stopAndWait(id)
  }, 120_000)

  // P341
  test('are given new credentials before the old ones run out', async () => {
    const id = await begin('brief', REST, { role: BRIEF.role })
    const uri = await environmentOf(id, 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
    const seen = new Set<string>()
    const deadline = performance.now() + 15_000
    while (seen.size < 3 && performance.now() < deadline) {
      const { stdout } = await rig.inside(
        id,
        'curl',
        '-sS',
        '-m',
        '2',
        `http://169.254.170.2${uri}`,
      )
      const { AccessKeyId, Expiration } = JSON.parse(stdout) as Record<string, string>
      expect(Date.parse(Expiration ?? '')).toBeGreaterThan(Date.now())
      seen.add(AccessKeyId ?? '')
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    expect(seen.size).toBe(3)
    await rig.stopAndWait(id)
  }, 180_000)

  // P354
  test('find secrets and variables in their environment, and no file or log of ours has them', async () => {
    const secret = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf'
    stores.answers
      .set('/web/key', 'of-ssm')
      .set(secret, '{"user":"of-secrets-manager"}')
      .set('/bucket/s3.env', 'SIZE=of-s3\nSHAPE=flat')
    const container = {
      secrets: [
        { name: 'PASSWORD', valueFrom: 'file:login.json:password' },
        { name: 'KEY', valueFrom: '/web/key' },
        { name: 'USERNAME', valueFrom: `${secret}:user::` },
      ],
      environmentFiles: ['file:web.env', 'arn:aws:s3:::bucket/s3.env'].map((value) => ({
        ...{ type: 's3' as const, value },
      })),
      environment: [{ name: 'SHAPE', value: 'square' }],
    }
    const all = '$PASSWORD/$KEY/$USERNAME/$COLOUR/$SIZE/$SHAPE'
    const id = await begin('told', `echo ${all} | /busybox rev; ${REST}`, {
      container,
      role: WEB.role,
      executionRole: OTHER.role,
    })
    const reversed = (text: string) => [...text].reverse().join('')
    expect(await written(id, '/')).toContain(
      reversed('hunter2/of-ssm/of-secrets-manager/blue/of-s3/square'),
    )
    // AWS was asked with the execution role's key.
    expect(new Set(stores.asked.map(({ key }) => key))).toEqual(new Set([OTHER.id]))
    expect(stores.asked.map(({ what }) => what).toSorted()).toEqual(
      [secret, '/web/key', '/bucket/s3.env'].toSorted(),
    )
    const { stdout: described } = await rig.enid('describe', id, '--json')
    const state = ['enid.db', 'enid.db-wal'].map((name) =>
      readFileSync(join(rig.env.ENID_STATE_DIR ?? '', name), 'latin1'),
    )
    const told = [described, rig.agentLog, ...state].join()
    expect(told).toContain('credentials given to a task')
    const values = [WEB.secret, WEB.token, OTHER.secret, 'hunter2', 'COLOUR=', 'of-s', 's-fo']
    expect(values.filter((value) => told.includes(value))).toEqual([])
    await rig.stopAndWait(id)
  }, 180_000)

  test('a secret that is not there stops the task by the word of ECS, and leaves nothing', async () => {
    const secrets = [{ name: 'PASSWORD', valueFrom: 'file:none' }]
    await rig.define('lacking', REST, { secrets })
    const [id = ''] = await rig.run('lacking', [group])
    const { stoppedReason, stopCode } = await rig.waitFor(id, 'STOPPED', 120_000)
    expect(stopCode).toBe('TaskFailedToStart')
    expect(stoppedReason).toMatch(
      /^ResourceInitializationError: unable to pull secrets or registry auth: PASSWORD of container app: .*none is not there/,
    )
  }, 180_000)

  // P355
  test('protect themselves with curl: a drain leaves them until they give that up', async () => {
    const [kept, other] = [await begin('kept', REST), await begin('other', REST)]
    const uri = await environmentOf(kept, 'ECS_AGENT_URI')
    const state = `${uri}/task-protection/v1/state`
    const put = (wish: string) => rig.inside(kept, 'curl', '-sS', '-X', 'PUT', '-d', wish, state)
    const { stdout } = await put('{"ProtectionEnabled": true, "ExpiresInMinutes": 1}')
    expect(JSON.parse(stdout)).toMatchObject({ protection: { ProtectionEnabled: true } })
    const headers = { 'content-type': 'application/json' }
    await fetch(`${rig.ecsUrl}/drain`, { method: 'POST', headers, body: '{}' })
    await rig.waitFor(other, 'STOPPED', 120_000)
    expect((await rig.task(kept)).lastStatus).toBe('RUNNING')
    await put('{"ProtectionEnabled": false}')
    await rig.waitFor(kept, 'STOPPED', 120_000)
    await fetch(`${rig.ecsUrl}/drain`, { method: 'DELETE' })
  }, 120_000)
})

/** A variable of the running container, by Docker's word. */
async function environmentOf(id: string, name: string): Promise<string> {
  const container = await rig.containerId(id, 'container:app')
  const env = await must('docker', ['inspect', '--format', '{{json .Config.Env}}', container])
  const line = (JSON.parse(env) as string[]).find((text) => text.startsWith(`${name}=`))
  return line?.slice(name.length + 1) ?? ''
}

describe('a task that is root with every network capability', () => {
  let mine = ''
  let other = ''
  let url = { mine: '', other: '' }
  let service: Server

  beforeAll(async () => {
    // A service of the host on every address that the host has.
    service = createServer((_request, response) => response.end('a service of the host'))
    await new Promise<void>((resolve) => service.listen(0, '0.0.0.0', resolve))
    mine = await begin('mine', REST, { role: WEB.role })
    other = await begin('theirs', REST, { role: OTHER.role })
    const variable = 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'
    url = {
      mine: `http://169.254.170.2${await environmentOf(mine, variable)}`,
      other: `http://169.254.170.2${await environmentOf(other, variable)}`,
    }
  }, 180_000)
  afterAll(async () => {
    service?.close()
    await rig.stopAndWait(mine, other)
  }, 180_000)

  const curl = (...args: string[]) => rig.inside(mine, 'curl', '-sS', '-m', '2', ...args)
  const addressOf = async (id: string) => fact(await rig.task(id), 'privateIPv4Address')

  /** Packets for the task endpoint that came to the other task by its card. */
  async function arrivals(): Promise<number> {
    const { stdout } = await rig.inside(other, 'nft', '-j', 'list', 'counter', 'inet', 'see', 'c')
    const { nftables } = JSON.parse(stdout) as { nftables: { counter?: { packets: number } }[] }
    return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? -1
  }

  // P356
  test('is given its own credentials, and is refused another’s though it knows their id', async () => {
    expect(JSON.parse((await curl(url.mine)).stdout)).toMatchObject({
      RoleArn: WEB.role,
      AccessKeyId: WEB.id,
      SecretAccessKey: WEB.secret,
      Token: WEB.token,
    })
    const before = await metric('enid_task_endpoint_refused_total')
    expect((await curl(url.other)).stdout).toContain('InvalidIdInRequest')
    expect(await metric('enid_task_endpoint_refused_total')).toBe(before + 1)
    expect(rig.agentLog).toContain('credentials given to a task')
  })

  // P342
  test('is given them under the same id after a kill of the agent', async () => {
    await rig.endAgent('SIGKILL')
    await rig.startAgent()
    await expect
      .poll(async () => (await curl(url.mine)).stdout, { timeout: 10_000 })
      .toContain(WEB.id)
    expect((await curl(url.other)).stdout).toContain('InvalidIdInRequest')
  }, 180_000)

  // P356
  test('is the same to the endpoint whatever source address it takes', async () => {
    const theirs = await addressOf(other)
    for (const address of [theirs, '127.0.0.9', '169.254.170.2']) {
      await rig.inside(mine, 'ip', 'address', 'add', `${address}/32`, 'dev', 'lo')
      expect((await curl('--interface', address, url.other)).stdout, address).toContain(
        'InvalidIdInRequest',
      )
    }
    await rig.inside(mine, 'ip', 'address', 'del', `${theirs}/32`, 'dev', 'lo')
  })

  // P356
  test('reaches no other listener, by no route, neighbour or frame of its own', async () => {
    // Counted on the other's card, with a packet that may come as the proof that it counts.
    const rules = [
      'table inet see {',
      '  counter c { }',
      '  chain in {',
      '    type filter hook prerouting priority -400; policy accept;',
      '    iifname "eth0" ip daddr 169.254.170.2 counter name c',
      '    iifname "eth0" tcp dport 8080 counter name c',
      '  }',
      '}',
    ]
    const file = join(folder, 'see.nft')
    writeFileSync(file, `${rules.join('\n')}\n`)
    const loaded = await rig.inside(other, 'nft', '-f', file)
    expect(loaded, loaded.stderr).toMatchObject({ code: 0 })
    const to = await addressOf(other)
    await curl(`http://${to}:8080/`)
    const proof = await arrivals()
    expect(proof).toBeGreaterThan(0)

    const mac = fact(await rig.task(other), 'macAddress')
    // The agent may put the address on lo back meanwhile: then the listener that answers is its own.
    await rig.inside(mine, 'ip', 'address', 'del', '169.254.170.2/32', 'dev', 'lo')
    await rig.inside(mine, 'ip', 'neigh', 'replace', '169.254.170.2', 'lladdr', mac, 'dev', 'eth0')
    await rig.inside(mine, 'ip', 'route', 'replace', '169.254.170.2/32', 'dev', 'eth0')
    for (const port of ['', ':51679']) {
      const { stdout } = await curl(url.other.replace('170.2', `170.2${port}`))
      expect(stdout).not.toContain(OTHER.secret)
    }
    await rig.inside(
      mine,
      'ip',
      'route',
      'replace',
      '169.254.170.2/32',
      'via',
      to,
      'onlink',
      'dev',
      'eth0',
    )
    expect((await curl(url.other)).stdout).not.toContain(OTHER.secret)
    const sent = await rig.inside(mine, '/usr/bin/python3', '-c', FRAMES, mac, to)
    expect(sent, sent.stderr).toMatchObject({ code: 0 })
    expect(await arrivals()).toBe(proof)
    await rig.inside(mine, 'ip', 'route', 'del', '169.254.170.2/32')
    await rig.inside(mine, 'ip', 'neigh', 'del', '169.254.170.2', 'dev', 'eth0')
    await expect
      .poll(async () => (await curl(url.mine)).stdout, { timeout: 10_000 })
      .toContain(WEB.id)
  }, 180_000)

  // P356
  test('reaches no service of the host, by whichever of its addresses, nor the agent', async () => {
    const { port } = service.address() as AddressInfo
    const own = JSON.parse(await must('ip', ['-j', 'address'])) as {
      addr_info: { family: string; local: string }[]
    }[]
    const addresses = own
      .flatMap(({ addr_info }) => addr_info)
      .filter(({ family }) => family === 'inet')
      .map(({ local }) => local)
    // The host reaches it: silence from the task proves something.
    expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe('a service of the host')
    expect(addresses).toContain('127.0.0.1')
    const agentPort = rig.env.ENID_LISTEN?.split(':')[1] ?? ''
    for (const address of [...addresses, '10.0.0.1', '169.254.170.2']) {
      for (const at of [String(port), agentPort]) {
        expect((await curl(`http://${address}:${at}/`)).code, `${address}:${at}`).not.toBe(0)
      }
    }
  }, 180_000)

  // P356
  test('with the metadata block taken away finds there no role to become the agent with', async () => {
    await rig.inside(mine, 'nft', 'flush', 'ruleset')
    const listed = await curl('http://169.254.169.254/latest/meta-data/iam/security-credentials/')
    expect(listed.stdout).not.toMatch(/AccessKeyId/)
    // And what is asked of the endpoint is still asked in its own name: at its own port, which nothing
    // keeps from the task while its rules are gone, or at port 80 when they are back.
    const direct = url.other.replace('170.2', '170.2:51679')
    const answers = [await curl(direct), await curl(url.other)].map(({ stdout }) => stdout)
    expect(answers.join()).toContain('InvalidIdInRequest')
  })
})

/** SYNs for the endpoint, in frames to the other's card and to everybody, by a socket of NET_RAW. */
const FRAMES = `
import socket, struct, sys
theirs = bytes.fromhex(sys.argv[1].replace(':', ''))
spoofed = socket.inet_aton(sys.argv[2])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('eth0', 0))
mine = out.getsockname()[4]
def sum16(data):
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def syn(source, port):
    to = socket.inet_aton('169.254.170.2')
    tcp = struct.pack('>HHIIBBHHH', 40000, port, 1, 0, 0x50, 2, 1024, 0, 0)
    check = sum16(source + to + struct.pack('>BBH', 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack('>H', check) + tcp[18:]
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 40, 1, 0, 64, 6, 0, source, to)
    return ip[:10] + struct.pack('>H', sum16(ip)) + ip[12:] + tcp
for mac in (theirs, b'\\xff' * 6):
    for source in (spoofed, socket.inet_aton('10.0.0.200')):
        for port in (80, 51679):
            out.send(mac + mine + b'\\x08\\x00' + syn(source, port))
`

test('nothing is left', async () => {
  const { taskArns = [] } = (await (
    await fetch(rig.ecsUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'AmazonEC2ContainerServiceV20141113.ListTasks',
      },
      body: '{}',
    })
  ).json()) as { taskArns?: string[] }
  await rig.stopAndWait(...taskArns.map((arn) => arn.split('/').at(-1) ?? ''))
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
