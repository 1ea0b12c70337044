// Goal: every mistake on the command line gets one line that names the flag and the remedy, exit
// code 2, and nothing is asked of anybody. Method: the parser, and the command as a child process.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../cli/command.ts'
import { CommandError, parse, wholeNumber } from '../../cli/command.ts'
import { COMMANDS } from '../../cli/commands.ts'
import { distance, nearest } from '../../cli/nearest.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')
const enid = (...args: string[]) =>
  spawnSync(ENID, args, {
    encoding: 'utf8',
    env: { ...process.env, ENID_SOCKET: '/nowhere/enid.sock', ENID_ENDPOINT: '' },
  })

const example: Command = {
  name: 'example',
  usage: 'TASK… [--subnet ID]… [--json] -- COMMAND…',
  summary: '',
  flags: {
    subnet: { value: 'ID', multiple: true, text: '' },
    count: { value: 'N', short: 'n', text: '' },
    json: { text: '' },
  },
  positionals: [1, 2],
  run: async () => 0,
}
const refusal = (...argv: string[]): string => {
  try {
    parse(example, argv)
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 2) return error.message
    throw error
  }
  throw new Error('nothing was refused')
}

describe('flags', () => {
  test('may stand anywhere, be repeated, and carry lists', () => {
    const call = parse(example, ['--subnet', 'a,b', 'task', '-n', '3', '--subnet=c', '--json'])
    expect(call.positionals).toEqual(['task'])
    expect(call.all('subnet')).toEqual(['a', 'b', 'c'])
    expect(call.one('count')).toBe('3')
    expect(call.on('json')).toBe(true)
    expect(call.on('subnet')).toBe(true)
  })

  test('end at the two dashes', () => {
    const call = parse(example, ['task', '--', 'curl', '--json'])
    expect(call.on('json')).toBe(false)
    expect(call.rest).toEqual(['curl', '--json'])
  })

  test('that are unknown are answered with the nearest known one', () => {
    expect(refusal('task', '--subent', 'x')).toBe(
      'enid example: unknown flag --subent: did you mean --subnet?',
    )
    expect(refusal('task', '--frobnicate')).toBe(
      'enid example: unknown flag --frobnicate: see: enid help example',
    )
  })

  test('without their value do not swallow the next flag', () => {
    expect(refusal('task', '--subnet', '--json')).toContain('--subnet has no value')
    expect(refusal('task', '--subnet')).toContain('write --subnet ID')
    expect(refusal('task', '--subnet=')).toContain('--subnet has no value')
  })

  test('that are switches take no value', () => {
    expect(refusal('task', '--json=yes')).toContain('--json is a switch')
  })
})

test('too few and too many words are refused with the usage', () => {
  expect(refusal()).toContain('usage: enid example TASK…')
  expect(refusal('a', 'b', 'c')).toContain('what is "c"?')
})

test.for(['0', '11', '-1', '1.5', 'two', '1e1', ''])('a count of "%s" is refused', (text) => {
  const argv = ['task', `--count=${text}`]
  expect(() =>
    wholeNumber(parse(example, argv), 'count', { min: 1, max: 10, fallback: 1 }),
  ).toThrow(CommandError)
})

test('a word is near another when a third of its letters differ, or two are swapped', () => {
  expect(distance('subnet', 'subent')).toBe(1)
  expect(nearest('descirbe', ['describe', 'stop'])).toBe('describe')
  expect(nearest('x', ['describe', 'stop'])).toBeUndefined()
})

describe('the command', () => {
  test('alone, with help or with --help says what there is', () => {
    for (const args of [[], ['help'], ['--help'], ['-h']]) {
      const { status, stdout } = enid(...args)
      expect(status).toBe(0)
      for (const name of COMMANDS.keys()) expect(stdout).toContain(`  ${name} `)
    }
  })

  test.for([...COMMANDS.keys()])('%s explains itself', (name) => {
    const { status, stdout } = enid(name, '--help')
    expect(status).toBe(0)
    expect(stdout).toContain(`usage: enid ${name}`)
  })

  test('that does not exist is answered with the nearest one', () => {
    const { status, stderr } = enid('descirbe', 'x')
    expect(stderr).toBe('enid: unknown command descirbe: did you mean "enid describe"?\n')
    expect(status).toBe(2)
  })

  test('says version and machine in one line, or as JSON', () => {
    expect(enid('--version').stdout).toMatch(/^enid \d+\.\d+\.\d+ \(Node\.js v\d+.*\)\n$/)
    expect(JSON.parse(enid('version', '--json').stdout)).toHaveProperty('kernel')
  })

  // P157
  test('without an agent says how to start one, and exits with 3', () => {
    const { status, stderr } = enid('ps')
    expect(stderr).toBe(
      'no agent answers at /nowhere/enid.sock (ENOENT): is the agent running? ' +
        'Start it: enid agent\n',
    )
    expect(status).toBe(3)
  })

  test('refuses an endpoint that is none', () => {
    const { status, stderr } = enid('ps', '--endpoint', 'https://example.com/x')
    expect(stderr).toContain('--endpoint is "https://example.com/x": it must be')
    expect(status).toBe(2)
  })

  test.for([
    ['/nowhere/task.json', 'cannot be read (ENOENT)'],
    ['./task.yaml', 'YAML is not read'],
    [join(import.meta.dirname, 'command-line.test.ts'), 'is not JSON'],
  ])('refuses to run %s', ([file = '', why = '']) => {
    const { status, stderr } = enid('run', file)
    expect(stderr).toContain(why)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(status).toBe(2)
  })
})
