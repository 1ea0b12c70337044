// Goal: whatever is sent to the lab's port gets one correct error in the form of whoever was asked,
// is never a crash, and changes nothing. Method: more than ten thousand malformed requests, made from
// valid ones and from nothing, over real HTTP; the seed stands, so each run sends the same.

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACTIONS } from '../../lab/ec2/actions.ts'
import { OPERATIONS, queryKey } from '../../lab/ec2/wire/operations.ts'
import type { World } from '../../lab/model/world.ts'
import { makeServer } from '../../lab/server.ts'
import { makeRig, type Rig } from './rig.ts'
import { branchOf, fill, send, VALID } from './valid-calls.ts'

const SEED = 304
let rig: Rig
let before: World
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

/** The body of each action's valid call, in pairs as the SDK writes them. */
const bodies = new Map<string, readonly (readonly [string, string])[]>()

beforeAll(async () => {
  rig = await makeRig()
  const things = await fill(rig)
  before = rig.lab.region.world
  for (const [name, input] of Object.entries(VALID)) {
    const { client, sent } = branchOf(rig)
    await send(client, name, input(things))
    bodies.set(name, [...new URLSearchParams(sent.at(-1))])
  }
})
afterAll(async () => {
  agent.destroy()
  await rig.end()
})

type Sent = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}
type Answer = { readonly status: number; readonly type: string; readonly text: string }

function ask({ method, path, headers, body }: Sent): Promise<Answer> {
  const { port } = new URL(rig.endpoint)
  return new Promise((resolve, reject) => {
    const length = { 'content-length': String(body.length) }
    const options = {
      host: '127.0.0.1',
      port,
      agent,
      method,
      path,
      headers: { ...headers, ...length },
    }
    const asked = request(options, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => {
        const type = String(answer.headers['content-type'])
        resolve({ status: answer.statusCode ?? 0, type, text: Buffer.concat(parts).toString() })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const post = (body: string | Buffer): Sent => ({
  method: 'POST',
  path: '/',
  headers: FORM,
  body: Buffer.from(body),
})

const ERROR =
  /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<Response><Errors><Error><Code>[A-Za-z.]+<\/Code><Message>[^<>]+<\/Message><\/Error><\/Errors><RequestID>[0-9a-f-]{36}<\/RequestID><\/Response>$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not come.
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/

/** What EC2 answers to what it cannot take. */
function expectRefusal({ status, type, text }: Answer): void {
  expect(status, text).toBeGreaterThanOrEqual(400)
  expect(status, text).toBeLessThan(500)
  expect(type).toBe('text/xml;charset=UTF-8')
  expect(text).toMatch(ERROR)
  expect(text).not.toMatch(NOT_XML)
  expect(text.length, 'no bad input is given back at length').toBeLessThan(5000)
}

/** Sends each list's requests side by side; whatever is not checked by `expectAnswer` fails. */
async function fuzz(one: fc.Arbitrary<Sent>, count: number, expectAnswer = expectRefusal) {
  const size = 20
  let sentCount = 0
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: size, maxLength: size }), async (several) => {
      for (const answer of await Promise.all(several.map(ask))) expectAnswer(answer)
      sentCount += several.length
      expect(rig.lab.region.world).toBe(before)
    }),
    { numRuns: count / size, seed: SEED },
  )
  expect(sentCount).toBeGreaterThanOrEqual(count)
}

const names = [...ACTIONS.keys()]
const keys = names.flatMap((name) => {
  const input = OPERATIONS.get(name)?.input
  return input?.isStructSchema()
    ? [...input.structIterator()].map(([member, schema]) => queryKey(member, schema))
    : []
})
const part = fc.oneof(
  fc.constantFrom(...keys, '0', '1', '2', '01', '-1', '99999', '100000', '1e9', 'member', 'Value'),
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', ''),
  fc.string({ unit: 'binary', maxLength: 5 }),
)
const path = fc.array(part, { minLength: 1, maxLength: 14 }).map((parts) => parts.join('.'))
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'a\0b',
    '\u0007',
    '\ufffe',
    '-1',
    '0',
    '2147483648',
    '9e99',
    '1.5',
  ),
  fc.constantFrom(
    '0x10',
    'NaN',
    'null',
    '[object Object]',
    '../../etc/passwd',
    '<x>&"\'',
    '%',
    '*',
  ),
  fc.constantFrom(
    'vpc-',
    'sg-0123456789abcdef0',
    'eni-ffffffffffffffffffffff',
    '10.0.0.0/33',
    '::/129',
  ),
  fc.constant('x'.repeat(10_000)),
)
const pair = fc.tuple(path, value)
const encode = (pairs: readonly (readonly [string, string])[]): string =>
  pairs
    .map(
      ([key, text]) =>
        `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(text.toWellFormed())}`,
    )
    .join('&')

/** One way to spoil a valid call. */
const spoil = fc.oneof(
  fc.record({ how: fc.constant('drop' as const), at: fc.nat(20) }),
  fc.record({ how: fc.constant('twice' as const), at: fc.nat(20) }),
  fc.record({ how: fc.constant('value' as const), at: fc.nat(20), value }),
  fc.record({ how: fc.constant('index' as const), at: fc.nat(20), part }),
  fc.record({ how: fc.constant('deeper' as const), at: fc.nat(20), part }),
  fc.record({ how: fc.constant('more' as const), pair }),
)

type Spoil = typeof spoil extends fc.Arbitrary<infer T> ? T : never

function spoilt(pairs: readonly (readonly [string, string])[], ways: readonly Spoil[]) {
  const all = pairs
    .filter(([key]) => key !== 'DryRun')
    .map(([key, text]): [string, string] => [key, text])
  for (const way of ways) {
    if (way.how === 'more') {
      all.push([...way.pair])
      continue
    }
    // Action and Version stay, so that what is spoilt is the action's own.
    const own = all.filter(([key]) => key !== 'Action' && key !== 'Version')
    const one = own[way.at % Math.max(own.length, 1)]
    if (one === undefined) continue
    if (way.how === 'drop') all.splice(all.indexOf(one), 1)
    if (way.how === 'twice') all.push([...one])
    if (way.how === 'value') one[1] = way.value
    if (way.how === 'index') one[0] = one[0].replace(/(?<=\.|^)\w+$/, way.part)
    if (way.how === 'deeper') one[0] = `${one[0]}.${way.part}`
  }
  // What is right by chance is refused as a dry run; where there is none, as an unknown parameter.
  return encode([...all, ['DryRun', 'true']])
}

describe('malformed requests', () => {
  // P304
  test('7,000 valid calls, spoilt: one EC2 error each, and the world unchanged', async () => {
    const one = fc
      .tuple(fc.constantFrom(...names), fc.array(spoil, { minLength: 1, maxLength: 4 }))
      .map(([name, ways]) => post(spoilt(bodies.get(name) ?? [], ways)))
    await fuzz(one, 7000)
  })

  // P304
  test('3,000 of parameters by chance: one EC2 error each, and the world unchanged', async () => {
    const one = fc
      .tuple(fc.constantFrom(...names), fc.array(pair, { maxLength: 6 }), fc.boolean())
      .map(([name, pairs, inUrl]) => {
        const body = encode([['Action', name], ['DryRun', 'true'], ...pairs])
        return inUrl && body.length < 8000
          ? { method: 'GET', path: `/?${body}`, headers: {}, body: Buffer.alloc(0) }
          : post(body)
      })
    await fuzz(one, 3000)
  })

  // P304
  test('1,000 of any bytes, types and methods: one EC2 error each, and the world unchanged', async () => {
    const type = fc.oneof(
      fc.constantFrom(
        'application/json',
        'text/xml',
        'multipart/form-data',
        'text/plain',
        'x',
        '/',
      ),
      fc.constantFrom(`${FORM['content-type']}; charset=utf-16`, 'application/x-amz-json-1.1', ''),
    )
    const one = fc
      .tuple(
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
        fc.oneof(
          { weight: 3, arbitrary: fc.constant('/') },
          fc.constantFrom('/x', '//', '/%', '/?%'),
        ),
        fc.oneof(type, fc.constant(FORM['content-type'])),
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => Buffer.from(text)),
          fc.constant(Buffer.from('Action=DescribeVpcs&VpcId.1=\xff\xfe', 'latin1')),
        ),
      )
      .map(([method, where, contentType, bytes]) => ({
        method,
        path: where,
        headers: { 'content-type': contentType },
        body: method === 'GET' ? Buffer.alloc(0) : Buffer.from(bytes),
      }))
    await fuzz(one, 1000)
  })

  // P304
  test('giant ones: each is refused at once, whichever way it is too large', async () => {
    const valid = 'Action=DescribeVpcs&DryRun=true'
    const giants = [
      `${valid}&a=${'x'.repeat(1 << 20)}`,
      `${valid}${Array.from({ length: 20_001 }, (_, n) => `&VpcId.${n}=a`).join('')}`,
      `${valid}&Filter.1.Name=${'n'.repeat(900_000)}`,
      `${valid}&${'a.'.repeat(400_000)}=1`,
      `${valid}&${'Filter.1.'.repeat(50)}=1`,
      `${valid}${'&a'.repeat(300_000)}`,
      `${valid}&Filter.1.Name=vpc-id${Array.from({ length: 5000 }, (_, n) => `&Filter.1.Value.${n + 1}=*a*b`).join('')}`,
      '='.repeat(1 << 19),
      '&'.repeat(1 << 19),
      '%'.repeat(1 << 19),
    ]
    for (const giant of giants) {
      const from = performance.now()
      expectRefusal(await ask(post(giant)))
      expect(performance.now() - from, giant.slice(0, 60)).toBeLessThan(2000)
    }
    expect(rig.lab.region.world).toBe(before)
  })
})

describe('the other routes', () => {
  // P304
  test('1,000 to IMDS: a text and a status of its own each', async () => {
    const header = fc.constantFrom(
      'x-aws-ec2-metadata-token',
      'x-aws-ec2-metadata-token-ttl-seconds',
      'x-forwarded-for',
    )
    const text = fc.oneof(
      fc.constantFrom('0', '-1', '21601', '1e3', '', 'AQAAA==', '9'.repeat(400)),
      fc.string({ maxLength: 20 }).map((each) => each.trim()),
    )
    const one = fc
      .tuple(
        fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'PATCH'),
        fc.array(
          fc.oneof(
            fc.constantFrom(
              'meta-data',
              'api',
              'token',
              'network',
              'interfaces',
              '..',
              '__proto__',
              '%00',
              '%',
              '',
            ),
            fc.webPath(),
          ),
          { maxLength: 6 },
        ),
        fc.dictionary(header, text, { maxKeys: 2 }),
      )
      .map(([method, names, headers]) => ({
        method,
        path: `/latest/${names.join('/')}`,
        headers,
        body: Buffer.alloc(0),
      }))
    await fuzz(one, 1000, ({ status, type }) => {
      // A token may be right by chance; data is not given without one.
      expect([200, 400, 401, 403, 404, 405]).toContain(status)
      expect(type).toMatch(/^text\/plain/)
    })
  })

  // P304
  test('1,000 to the lab’s own routes: a JSON error each, and nothing is switched on', async () => {
    const junk = fc.oneof(
      fc.json().map((text) => `{"colour":${text}}`),
      fc.constantFrom(
        '{',
        '[]',
        '[{}]',
        '1',
        '"x"',
        'true',
        '{"name":1}',
        '{"__proto__":{"name":"x"}}',
      ),
      fc.constantFrom(
        '{"name":"error-500","times":-1}',
        '{"name":"toString"}',
        '{"name":"throttle","task":"x"}',
      ),
      fc.string({ maxLength: 40 }).map((text) => `x${text}`),
    )
    const one = fc
      .tuple(
        fc.constantFrom(
          '/lab/faults',
          '/lab/probes',
          '/lab/profile',
          '/lab/__proto__',
          '/lab/faults/',
        ),
        fc.constantFrom('application/json', FORM['content-type'], 'text/plain'),
        junk,
      )
      .map(([where, type, body]) => ({
        method: 'POST',
        path: where,
        headers: { 'content-type': type },
        body: Buffer.from(body),
      }))
    await fuzz(one, 1000, ({ status, type, text }) => {
      expect(status, text).toBeGreaterThanOrEqual(400)
      expect(status, text).toBeLessThan(500)
      expect(type).toMatch(/^application\/json/)
      expect(JSON.parse(text)).toEqual({
        error: { code: expect.any(String), message: expect.any(String) },
      })
    })
    expect(rig.lab.faults.all()).toEqual([])
    expect(rig.lab.probes.all()).toEqual([])
  })
})

describe('what is hardly HTTP', () => {
  /** Writes the bytes and ends or keeps the connection; what came back until it closed, at most 2 s. */
  const raw = (bytes: string, end: boolean): Promise<string> =>
    new Promise((resolve) => {
      let text = ''
      const socket = connect(Number(new URL(rig.endpoint).port), '127.0.0.1', () => {
        socket.write(Buffer.from(bytes, 'latin1'))
        if (end) socket.end()
      })
      socket.on('data', (data) => {
        text += data
      })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => resolve(text))
      socket.setTimeout(2000, () => socket.destroy())
    })
  const head =
    'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n'

  test.each([
    ['no HTTP at all', 'HELLO\r\n\r\n'],
    ['a header with NUL', `${head}X: a\0b\r\n\r\n`],
    ['a negative length', `${head}Content-Length: -1\r\n\r\n`],
    ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\na`],
    [
      'a length and chunks',
      `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a bad chunk', `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nAction\r\n`],
    ['a giant header', `${head}X: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['no Host', 'POST / HTTP/1.1\r\n\r\n'],
  ])('%s is refused in words', async (_what, bytes) => {
    expect(await raw(bytes, false)).toMatch(/^HTTP\/1\.1 4\d\d [\s\S]*<Code>[A-Za-z]+<\/Code>/)
    expect(rig.lab.region.world).toBe(before)
  })

  // P304
  test('200 bodies that never end: others are answered meanwhile, and half a call is no call', async () => {
    const { port } = new URL(rig.endpoint)
    const call = 'Action=CreateVpc&CidrBlock=10.88.0.0%2F16'
    const slow = await Promise.all(
      Array.from(
        { length: 200 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve, reject) => {
            const socket = connect(Number(port), '127.0.0.1', () => {
              socket.write(`${head}Content-Length: ${call.length + 1}\r\n\r\n${call}`)
              resolve(socket)
            })
            socket.once('error', reject)
          }),
      ),
    )
    const answer = await rig.query('Action=DescribeVpcs')
    expect(answer.status).toBe(200)
    for (const socket of slow) {
      socket.on('error', () => undefined)
      socket.destroy()
    }
    expect((await rig.query('Action=DescribeVpcs')).status).toBe(200)
    expect(rig.lab.region.world).toBe(before)
  })

  // P304
  test('a body that does not come in time is refused in words, and half a call is no call', async () => {
    const server = makeServer(rig.lab, () => undefined)
    // Node swaps the two where the first is the smaller.
    const { requestTimeout, headersTimeout } = server.server
    expect([requestTimeout, headersTimeout]).toEqual([30_000, 30_000])
    Object.assign(server.server, { requestTimeout: 300, headersTimeout: 300 })
    await server.listen({ host: '127.0.0.1', port: 0 })
    try {
      const { port } = server.server.address() as AddressInfo
      const call = 'Action=CreateVpc&CidrBlock=10.88.0.0%2F16'
      const socket = connect(port, '127.0.0.1')
      socket.write(`${head}Content-Length: ${call.length + 1}\r\n\r\n${call}`)
      let text = ''
      socket.on('data', (bytes) => (text += String(bytes)))
      await once(socket, 'close')
      expect(text).toMatch(/^HTTP\/1\.1 408 [\s\S]*<Code>RequestTimeout<\/Code>/)
      expect(rig.lab.region.world).toBe(before)
    } finally {
      await server.close()
    }
  })

  test('after all of it the lab is alive, and no call ended as a defect', async () => {
    const { actions } = rig.lab.calls.summary()
    const errors = Object.values(actions).flatMap((action) => Object.keys(action.errors))
    expect(errors).not.toContain('InternalError')
    expect(errors.length).toBeGreaterThan(0)
    expect((await rig.query('Action=DescribeVpcs')).status).toBe(200)
  })
})
