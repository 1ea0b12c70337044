// What the setup's parts share: how they speak (short lines on stderr), how they give up (a
// Refusal, printed without a stack), and how they look for and run programs. Node 20, no packages.

import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The setup cannot go on, and the message says what the person has to do. */
export class Refusal extends Error {}

/** One line for the person who waits. */
export const say = (text) => process.stderr.write(`setup: ${text}\n`)

/** Seconds since `startedAt` (performance.now()), for people: `3.2 s`. */
export const seconds = (startedAt) => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`

/** The PATH without any node_modules/.bin, and with the system's own folders. */
export function systemPath() {
  const given = (process.env.PATH ?? '').split(delimiter).filter((d) => !d.includes('node_modules'))
  return [...new Set([...given, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'])]
}

/** Where a program is, or undefined. */
export function find(program) {
  return systemPath()
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** Runs a program without a shell; its output is kept, not shown. */
export function run(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...process.env, PATH: systemPath().join(delimiter), ...options.env },
    })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.once('error', (error) => resolve({ code: 127, output: error.message }))
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

/** The last lines of a program's output, indented, for an error. */
export const tail = (output, count = 8) =>
  output
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n')

/** The first lines of a program's output, indented: npm says the cause first, then its manual. */
export const head = (output, count) =>
  output
    .trim()
    .split('\n')
    .slice(0, count)
    .map((line) => `    ${line}`)
    .join('\n')

/** Resolves after so many milliseconds. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
