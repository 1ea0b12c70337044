// `enid version`: what this is and what it runs on; for bug reports.

import { release } from 'node:os'
import enid from '../package.json' with { type: 'json' }
import type { Command } from './command.ts'
import { EXIT } from './command.ts'

/** `enid version`. */
export const version: Command = {
  name: 'version',
  usage: '[--json]',
  summary: 'print the version',
  flags: { json: { text: 'print one JSON document instead of a line' } },
  positionals: [0, 0],
  async run(call) {
    const facts = {
      enid: enid.version,
      node: process.version,
      kernel: release(),
      arch: process.arch,
    }
    const line = `enid ${facts.enid} (Node.js ${facts.node}, Linux ${facts.kernel}, ${facts.arch})`
    process.stdout.write(`${call.on('json') ? JSON.stringify(facts) : line}\n`)
    return EXIT.ok
  },
}
