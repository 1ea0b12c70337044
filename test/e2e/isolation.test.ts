// Goal: a task reaches the instance metadata service neither by a socket nor by a raw packet, on IPv4
// or IPv6, from its first process on; and the same path works for what is not blocked, so that the
// silence proves something. Method: real packets from inside tasks.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await Rig.open()
})
afterAll(() => rig?.close())

// P181
test('IMDS is out of reach before the first process runs, other addresses are not', async () => {
  const server = await rig.group('server', { port: 80, cidr: '10.0.0.0/16' })
  await rig.define('web', 'mkdir /www; echo yes > /www/index.html; /busybox httpd -f -p 80 -h /www')
  const [web = ''] = await rig.run('web', [server])
  const address = fact(await rig.waitFor(web, 'RUNNING'), 'privateIPv4Address')

  // The task tries from its very first instruction, and says what it found.
  const ask = (url: string) => `/busybox timeout 2 /busybox wget -q -O - ${url} 2>&1 || echo silent`
  await rig.define(
    'curious',
    [
      `echo v4: $(${ask('http://169.254.169.254/latest/meta-data/')})`,
      `echo v6: $(${ask('http://[fd00:ec2::254]/latest/meta-data/')})`,
      `echo web: $(${ask(`http://${address}/`)})`,
      'exec /busybox sleep 600',
    ].join('; '),
  )
  const [curious = ''] = await rig.run('curious', [server])
  await rig.waitFor(curious, 'RUNNING')
  await expect
    .poll(async () => (await rig.enid('logs', curious)).stdout, { timeout: 15_000 })
    .toContain('web:')
  const { stdout } = await rig.enid('logs', curious)
  for (const version of ['v4', 'v6']) {
    const [line = ''] = stdout.split('\n').filter((each) => each.startsWith(`${version}: `))
    expect(line).toMatch(/silent$/)
    // A refusal (401) would be an answer.
    expect(line).not.toMatch(/HTTP|server/)
  }
  expect(stdout).toContain('web: yes')
  await rig.stopAndWait(web, curious)
}, 180_000)

test('the lab answers IMDS to what is not a task, so the silence was the block', async () => {
  const token = ['--header', 'X-aws-ec2-metadata-token-ttl-seconds: 60', '-X', 'PUT']
  const url = 'http://169.254.169.254/latest/api/token'
  const seen = await rig.enid('lab', 'exec', '--', 'curl', '-sS', '-m', '3', ...token, url)
  expect(seen, seen.stderr).toMatchObject({ code: 0 })
  expect(seen.stdout.trim()).not.toBe('')
}, 90_000)

// P183
test("the host's own namespace has no address, route or rule of the VPC", async () => {
  const routes = await must('ip', ['-j', 'route'])
  expect(routes).not.toMatch(/"10\.0\.\d/)
  const tables = await must('nft', ['-j', 'list', 'tables'])
  expect(tables).not.toContain('enid')
})
