// `enid agent`: the daemon, in the foreground. Its settings come from the environment (ENID_*) or
// one file (ENID_CONFIG); it logs to stderr and stops cleanly on SIGTERM and SIGINT.

import { mkdirSync, statfsSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import type { Command } from './command.ts'
import { CommandError, EXIT } from './command.ts'

/** When everything that a start loads has been loaded, milliseconds. */
const FLUSH_MS = 5_000
/** What must be free beside the state for anything to be kept there: it is 1 MB, of a checkout 10. */
const ROOM_BYTES_MIN = 1 << 28

/** `enid agent`. */
export const agent: Command = {
  name: 'agent',
  usage: '',
  summary: 'run the agent in the foreground',
  flags: {},
  positionals: [0, 0],
  notes: [
    'Settings: ENID_STATE_DIR (/var/lib/enid), ENID_SOCKET (/run/enid/enid.sock), ENID_LISTEN (no',
    'TCP unless set, such as 127.0.0.1:51680), or a JSON file named by ENID_CONFIG.',
    'Roles and secrets of tasks: ENID_ROLES_FILE, ENID_SECRETS_DIR (docs/credentials.md). EC2 and the',
    'instance metadata are found by the settings of the AWS SDK (AWS_REGION, AWS_ENDPOINT_URL_EC2, …).',
  ],
  async run() {
    const { readConfig, AgentRefused, ConfigRefused } = await import('../agent/config.ts')
    const ended = new AbortController()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ended.abort())
    try {
      const config = readConfig(process.env)
      keepCompiled(config.stateDir)
      const { runAgent } = await import('../agent/main.ts')
      await runAgent(config, ended.signal)
      return EXIT.ok
    } catch (error) {
      if (error instanceof ConfigRefused) throw refusal(EXIT.usage, error)
      if (error instanceof AgentRefused) throw refusal(EXIT.failed, error)
      throw error
    }
  },
}

/**
 * What V8 made of our code is kept beside the state: the next start takes 0.1 s less, and a checkout
 * half a second. Node checks each part against its source and leaves out what does not fit; where
 * nothing can be kept, nothing is.
 */
function keepCompiled(stateDir: string): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    const { bavail, bsize } = statfsSync(stateDir)
    // What room there is on a small disk is the journal's.
    if (bavail * bsize < ROOM_BYTES_MIN) return
  } catch {
    // The agent needs the directory more, and says so better.
    return
  }
  module.enableCompileCache(join(stateDir, 'compiled'))
  // A daemon is killed as often as it ends: not only at the end.
  setTimeout(() => module.flushCompileCache(), FLUSH_MS).unref()
}

const refusal = (exitCode: number, { message }: Error): CommandError =>
  new CommandError(exitCode, `enid agent: ${message}`)
