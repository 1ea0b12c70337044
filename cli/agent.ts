// `enid agent`: the daemon, in the foreground. Its settings come from the environment (ENID_*) or
// one file (ENID_CONFIG); it logs to stderr and stops cleanly on SIGTERM and SIGINT.

import type { Command } from './command.ts'
import { CommandError, EXIT } from './command.ts'

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
    const [{ readConfig, AgentRefused, ConfigRefused }, { runAgent }] = await Promise.all([
      import('../agent/config.ts'),
      import('../agent/main.ts'),
    ])
    const ended = new AbortController()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ended.abort())
    try {
      await runAgent(readConfig(process.env), ended.signal)
      return EXIT.ok
    } catch (error) {
      if (error instanceof ConfigRefused) throw refusal(EXIT.usage, error)
      if (error instanceof AgentRefused) throw refusal(EXIT.failed, error)
      throw error
    }
  },
}

const refusal = (exitCode: number, { message }: Error): CommandError =>
  new CommandError(exitCode, `enid agent: ${message}`)
