// `enid version`: what this is and what it runs on; for bug reports.

import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Command } from './command.ts'
import { EXIT } from './command.ts'

/** The version in package.json: one folder up in a checkout, beside the bundle when bundled. */
export function packageVersion(): string {
  const path = import.meta.url.endsWith('.ts') ? '../package.json' : './package.json'
  const text = readFileSync(new URL(path, import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version?: unknown }).version)
}

/** `enid version`. */
export const version: Command = {
  name: 'version',
  usage: '[--json]',
  summary: 'print the version',
  flags: { json: { text: 'print one JSON document instead of a line' } },
  positionals: [0, 0],
  async run(call) {
    const facts = {
      enid: packageVersion(),
      node: process.version,
      kernel: release(),
      arch: process.arch,
    }
    const line = `enid ${facts.enid} (Node.js ${facts.node}, Linux ${facts.kernel}, ${facts.arch})`
    process.stdout.write(`${call.on('json') ? JSON.stringify(facts) : line}\n`)
    return EXIT.ok
  },
}
