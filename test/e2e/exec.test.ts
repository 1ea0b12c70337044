// Goal: `enid exec` and `enid logs -f` are what a person at a terminal expects: output, errors, input,
// exit code, a terminal where there is one. Method: the command itself against lab, agent and dockerd.

import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fact, Rig } from './rig.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')

let rig: Rig
let id = ''
let ipv4 = ''

beforeAll(async () => {
  rig = await Rig.open()
  const group = await rig.group('web')
  await rig.define('box', 'n=0; while :; do n=$((n+1)); echo line $n; sleep 1; done')
  ;[id = ''] = await rig.run('box', [group])
  ipv4 = fact(await rig.waitFor(id, 'RUNNING'), 'privateIPv4Address')
})
afterAll(async () => {
  if (id !== '') await rig.stopAndWait(id)
  await rig?.close()
})

/** Runs `enid …` with this input; what came of it. */
async function run(args: readonly string[], input: Buffer | string = '', file = ENID) {
  const child = spawn(file, args, { env: { ...process.env, ...rig.env } })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }
}

const inBox = (line: string, input?: Buffer | string) =>
  run(['exec', id.slice(0, 8), '--', '/busybox', 'sh', '-c', line], input)

describe('enid exec', () => {
  // P435
  test('runs a program in the task, keeps output and errors apart, and exits as it does', async () => {
    const { code, stdout, stderr } = await inBox('echo out; echo err >&2; exit 42')
    expect([code, stdout.toString(), stderr]).toEqual([42, 'out\n', 'err\n'])
    const addresses = await inBox('/busybox ip -4 addr show eth0')
    expect(addresses.stdout.toString()).toContain(`inet ${ipv4}/`)
  })

  // P435
  test('gives it its input to the last byte, and its end', async () => {
    const input = randomBytes(3_000_000)
    const { code, stdout } = await inBox('/busybox sha256sum', input)
    const sum = createHash('sha256').update(input).digest('hex')
    expect([code, stdout.toString()]).toEqual([0, `${sum}  -\n`])
    const back = await inBox('/busybox cat', input)
    expect(back.stdout.equals(input)).toBe(true)
  })

  test('reads no argument with a shell, and runs as the user that is named', async () => {
    const words = await run(['exec', id, '--', '/busybox', 'echo', '$HOME', ';', 'a b', '*'])
    expect(words.stdout.toString()).toBe('$HOME ; a b *\n')
    const user = await run(['exec', id, '-u', '1234', '--', '/busybox', 'id', '-u'])
    expect(user.stdout.toString()).toBe('1234\n')
  })

  // P437
  test('gives it no locked memory either: AF_XDP would send past the metadata block', async () => {
    const { stdout } = await inBox('ulimit -l')
    expect(stdout.toString()).toBe('0\n')
  })

  // P436
  test('has a terminal where there is one here, of its size', async () => {
    const line = `stty cols 101 rows 33; exec ${ENID} exec ${id} -- /busybox sh -c "/busybox tty; sleep 1; /busybox stty size; exit 5"`
    const inTerminal = await run(['-qec', line, '/dev/null'], '', '/usr/bin/script')
    const said = inTerminal.stdout.toString()
    expect(said).toContain('/dev/pts/')
    expect(said).toContain('33 101')
    expect(inTerminal.code).toBe(5)
    const piped = await run(['exec', id, '--', '/busybox', 'tty'])
    expect(piped.stdout.toString()).toBe('not a tty\n')
  })

  // P437
  test('is told in the log with who was asked for what, and without its arguments', async () => {
    await run(['exec', id, '--', '/busybox', 'echo', 'hunter2'])
    const lines = rig.agentLog.split('\n').filter((line) => line.includes('"msg":"exec"'))
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      task: id,
      container: 'app',
      program: '/busybox',
      arguments: 2,
      tty: false,
    })
    expect(rig.agentLog).not.toContain('hunter2')
  })

  test('of what is not there says so: a program, a task, a container', async () => {
    const program = await run(['exec', id, '--', '/no/such'])
    expect(program.code).not.toBe(0)
    expect(program.stdout.toString() + program.stderr).toMatch(/no such file/)
    expect(await run(['exec', 'ffff', '--', 'x'])).toMatchObject({ code: 1 })
    const container = await run(['exec', id, '-c', 'other', '--', 'x'])
    expect(container).toMatchObject({ code: 1, stderr: expect.stringMatching(/The task has: app/) })
    expect(await run(['exec', id])).toMatchObject({ code: 2 })
  })
})

describe('enid logs --follow', () => {
  // P438
  test('prints what is written as it is written, and ends when the container does', async () => {
    const group = await rig.group('short')
    await rig.define('short', 'for n in 1 2 3 4 5 6; do echo word $n; sleep 0.5; done; echo last')
    const [other = ''] = await rig.run('short', [group])
    // Asked for before there is a container.
    const child = spawn(ENID, ['logs', '-f', other], { env: { ...process.env, ...rig.env } })
    let said = ''
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
    })
    await vi.waitFor(() => expect(said).toContain('word 2'), { timeout: 20_000 })
    expect(said).not.toContain('last')
    expect(await ended).toBe(0)
    expect(said).toBe(`${[1, 2, 3, 4, 5, 6].map((n) => `word ${n}\n`).join('')}last\n`)
    await rig.waitFor(other, 'STOPPED')
    const kept = await run(['logs', '-f', '-n', '2', other])
    expect(kept.stdout.toString()).toBe('word 6\nlast\n')
  })

  test('that is interrupted leaves the container as it is', async () => {
    const child = spawn(ENID, ['logs', '-f', '-n', '1', id], {
      env: { ...process.env, ...rig.env },
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
    })
    await vi.waitFor(() => expect(said.split('\n').length).toBeGreaterThan(2), { timeout: 10_000 })
    child.kill('SIGINT')
    await new Promise((resolve) => child.once('close', resolve))
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  })
})
