// Goal: the bytes on the wire are EC2's, and whatever is malformed gets one correct EC2 error and
// changes nothing. Method: bodies by hand (malformed.test.ts has those by chance).

import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACTIONS } from '../../lab/ec2/actions.ts'
import { OPERATIONS } from '../../lab/ec2/wire/operations.ts'
import type { World } from '../../lab/model/world.ts'
import { makeRig, type Rig } from './rig.ts'

let rig: Rig
let before: World
beforeAll(async () => {
  rig = await makeRig()
  before = rig.lab.region.world
})
afterAll(() => rig.end())

const ERROR =
  /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<Response><Errors><Error><Code>([A-Za-z.]+)<\/Code><Message>([^<]*)<\/Message><\/Error><\/Errors><RequestID>[0-9a-f-]{36}<\/RequestID><\/Response>$/
const codeOf = (text: string): string | undefined => ERROR.exec(text)?.[1]

describe('an answer', () => {
  test('is compact XML in the action’s own element, with its request id in a header too', async () => {
    const { status, text, headers } = await rig.query(
      'Action=DescribeRegions&Version=2016-11-15&RegionName.1=us-west-2',
    )
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/xml;charset=UTF-8')
    const requestId = headers.get('x-amzn-requestid')
    expect(text).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">' +
        `<requestId>${requestId}</requestId><regionInfo><item>` +
        '<optInStatus>opt-in-not-required</optInStatus><regionName>us-west-2</regionName>' +
        '<regionEndpoint>ec2.us-west-2.amazonaws.com</regionEndpoint>' +
        '</item></regionInfo></DescribeRegionsResponse>',
    )
  })

  test('without a body of its own says return true, and an empty list is an empty element', async () => {
    const tags = await rig.query(
      `Action=CreateTags&ResourceId.1=${rig.vpcId}&Tag.1.Key=a&Tag.1.Value=b`,
    )
    expect(tags.text).toContain('</requestId><return>true</return></CreateTagsResponse>')
    await rig.query(`Action=DeleteTags&ResourceId.1=${rig.vpcId}`)
    const none = await rig.query('Action=DescribeTags')
    expect(none.text).toContain('<tagSet/>')
    before = rig.lab.region.world
  })

  test('comes to GET as to POST, signed in the query or not', async () => {
    const query = 'Action=DescribeVpcs&Version=2016-11-15&AWSAccessKeyId=k&Signature=s'
    const response = await fetch(`${rig.endpoint}/?${query}&X-Amz-Date=1&SignatureVersion=2`)
    expect(response.status).toBe(200)
    expect(await response.text()).toContain(`<vpcId>${rig.vpcId}</vpcId>`)
  })

  test('every path an action honours exists in the SDK’s schema', () => {
    expect(ACTIONS.size).toBeGreaterThanOrEqual(33)
    for (const action of ACTIONS.values()) {
      for (const path of action.honours) {
        let schema = OPERATIONS.get(action.name)?.input
        for (const name of path.split('.')) {
          if (schema?.isListSchema()) schema = schema.getValueSchema()
          const names = schema ? [...schema.structIterator()].map(([each]) => each) : []
          expect(names, `${action.name} ${path}`).toContain(name)
          schema = schema?.getMemberSchema(name)
        }
      }
    }
  })
})

describe('a malformed request', () => {
  const groups = 'Action=DescribeSecurityGroups'
  test.each<[string, string, number, string, string]>([
    ['no action', 'Version=2016-11-15', 400, 'MissingAction', 'parameter Action'],
    ['no body at all', '', 400, 'MissingAction', 'parameter Action'],
    ['no such action', 'Action=Frobnicate', 400, 'InvalidAction', 'action Frobnicate is not valid'],
    ['an inherited name', 'Action=constructor', 400, 'InvalidAction', 'constructor'],
    [
      'an action the lab lacks',
      'Action=CreateVolume',
      400,
      'InvalidAction',
      'lab does not implement the action CreateVolume',
    ],
    [
      'another version',
      'Action=DescribeVpcs&Version=2009-01-01',
      400,
      'NoSuchVersion',
      '2009-01-01',
    ],
    [
      'an unknown parameter',
      `${groups}&Colour=red`,
      400,
      'UnknownParameter',
      'parameter Colour is not recognized',
    ],
    [
      'an unknown member',
      'Action=DescribeVpcs&Filter.1.Nome=a',
      400,
      'UnknownParameter',
      'Filter.1.Nome',
    ],
    [
      'a list without numbers',
      'Action=DescribeVpcs&VpcId.member=a',
      400,
      'UnknownParameter',
      'VpcId.member',
    ],
    ['a list from zero', 'Action=DescribeVpcs&VpcId.0=a', 400, 'UnknownParameter', 'VpcId.0'],
    ['a value for a list', 'Action=DescribeVpcs&VpcId=a', 400, 'InvalidParameterValue', 'VpcId.1'],
    ['members of a scalar', 'Action=DeleteVpc&VpcId.x=a', 400, 'UnknownParameter', 'VpcId.x'],
    ['a pollution key', 'Action=DescribeVpcs&__proto__.x=1', 400, 'UnknownParameter', '__proto__'],
    [
      'a pollution member',
      'Action=DescribeVpcs&Filter.1.__proto__=1',
      400,
      'UnknownParameter',
      '__proto__',
    ],
    ['a missing parameter', 'Action=DeleteVpc', 400, 'MissingParameter', 'VpcId'],
    ['an empty parameter', 'Action=DeleteVpc&VpcId=', 400, 'MissingParameter', 'VpcId'],
    ['a bad boolean', 'Action=DescribeVpcs&DryRun=maybe', 400, 'InvalidParameterValue', 'maybe'],
    ['a bad number', 'Action=DescribeVpcs&MaxResults=1e3', 400, 'InvalidParameterValue', '1e3'],
    ['a fraction', 'Action=DescribeVpcs&MaxResults=5.5', 400, 'InvalidParameterValue', '5.5'],
    [
      'a name twice',
      'Action=DeleteVpc&VpcId=a&VpcId=b',
      400,
      'MalformedQueryString',
      'appears twice',
    ],
    ['bad escapes', 'Action=DeleteVpc&VpcId=%zz', 400, 'MalformedQueryString', 'percent-encoded'],
    ['half a character', 'Action=DeleteVpc&VpcId=%c3', 400, 'MalformedQueryString', 'UTF-8'],
    ['a control character', 'Action=DeleteVpc&VpcId=%00', 400, 'InvalidParameterValue', 'XML'],
    [
      'a deep name',
      `Action=DescribeVpcs&${'a.'.repeat(5000)}b=1`,
      400,
      'MalformedQueryString',
      'longer',
    ],
    [
      'a deep list',
      `Action=DescribeVpcs&Filter.1${'.1'.repeat(50)}=1`,
      400,
      'MalformedQueryString',
      'levels',
    ],
    [
      'too many',
      `Action=DescribeVpcs${'&a=1'.repeat(20_001)}`,
      400,
      'MalformedQueryString',
      'at most',
    ],
    ['markup', 'Action=DeleteVpc&VpcId=<b>%26', 400, 'InvalidVpcID.Malformed', '&lt;b&gt;&amp;'],
    [
      'a body over 1 MiB',
      `Action=DescribeVpcs&a=${'x'.repeat(1 << 20)}`,
      413,
      'RequestEntityTooLarge',
      '1048576',
    ],
  ])('%s', async (_what, body, status, code, words) => {
    const answer = await rig.query(body)
    expect(codeOf(answer.text), answer.text.slice(0, 400)).toBe(code)
    expect(answer.status).toBe(status)
    expect(answer.text).toContain(words)
    expect(rig.lab.region.world).toBe(before)
  })

  test('echoed in a message cannot break the XML', async () => {
    const { text } = await rig.query('Action=DescribeVpcs&%01%3Cb%3E=1')
    expect(text).toContain('The parameter \ufffd&lt;b&gt; is not recognized')
  })

  test('of another type, path or method gets an EC2 error too', async () => {
    const ask = async (path: string, init: RequestInit) => {
      const response = await fetch(rig.endpoint + path, init)
      return `${response.status} ${codeOf(await response.text())}`
    }
    const json = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'X.ListTasks' }
    expect(await ask('/', { method: 'POST', headers: json, body: '{}' })).toBe(
      '415 UnsupportedMediaType',
    )
    const type = { 'content-type': 'application/json' }
    expect(await ask('/', { method: 'POST', headers: type, body: '{"a":1}' })).toBe(
      '415 UnsupportedMediaType',
    )
    expect(await ask('/nowhere', {})).toBe('404 InvalidRequest')
    expect(await ask('/', { method: 'DELETE' })).toBe('404 InvalidRequest')
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = Buffer.from([0x41, 0xff, 0xfe])
    expect(await ask('/', { method: 'POST', headers: form, body })).toBe('400 MalformedQueryString')
  })

  test('that is not even HTTP gets an EC2 error too', async () => {
    const { port } = new URL(rig.endpoint)
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('HELLO\r\n\r\n'))
      socket.on('data', (data) => {
        text += data
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(codeOf(answer.split('\r\n\r\n')[1] ?? '')).toBe('InvalidRequest')
  })
})
