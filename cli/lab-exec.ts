// `enid lab exec -- CMD`: a namespace with an ENI of its own in the VPC, a command inside it, and the
// namespace gone again, whatever happens to the command or to us.
//
//   POST /lab/probes ─▶ ip netns exec <its namespace> CMD ─▶ DELETE /lab/probes/<id>
//
// ip(8) puts the VPC's resolv.conf over the host's for the command alone, and becomes the command.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { basename } from 'node:path'
import type { Call } from './command.ts'
import { CommandError, EXIT } from './command.ts'
import type { LabConnection } from './lab-connection.ts'

/** Runs the command that stands after `--`; its exit code, or 128 + n when a signal ended it. */
export async function execInLab(lab: LabConnection, call: Call): Promise<number> {
  if (call.rest.length === 0) {
    throw new CommandError(EXIT.usage, 'enid lab exec: name the command: enid lab exec -- CMD…')
  }
  if (process.getuid?.() !== 0) {
    throw new CommandError(EXIT.usage, 'enid lab exec: entering a namespace takes root')
  }
  // From here on a signal ends the command, and the command's end removes the probe.
  let child: ReturnType<typeof spawn> | undefined
  let ended: NodeJS.Signals | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      ended = signal
      child?.kill(signal)
    })
  }
  if (call.on('internet')) {
    const status = (await lab.ask('GET', '/lab/status')) as { internet: { netnsPath: string } }
    if (ended !== undefined) return 128 + constants.signals[ended]
    child = enter(status.internet.netnsPath, call)
    return await exitCodeOf(child, 'ip: install iproute2')
  }
  const groups = call.all('group')
  const subnetId = call.one('subnet')
  const probe = (await lab.ask('POST', '/lab/probes', {
    groupIds: groups.filter((group) => group.startsWith('sg-')),
    groupNames: groups.filter((group) => !group.startsWith('sg-')),
    ...(subnetId === undefined ? {} : { subnetId }),
    ...(call.on('public') ? { public: true } : {}),
  })) as { probeId: string; netnsPath: string; ipv4: string }
  try {
    if (ended !== undefined) return 128 + constants.signals[ended]
    child = enter(probe.netnsPath, call)
    return await exitCodeOf(child, 'ip: install iproute2')
  } finally {
    await lab.ask('DELETE', `/lab/probes/${probe.probeId}`)
  }
}

const enter = (netnsPath: string, { rest }: Call): ReturnType<typeof spawn> =>
  spawn('ip', ['netns', 'exec', basename(netnsPath), ...rest], { stdio: 'inherit' })

/** What a command's end is to us: its exit code, or 128 + n when a signal ended it. */
export function exitCodeOf(child: ReturnType<typeof spawn>, remedy: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new CommandError(EXIT.failed, `${error.message}; ${remedy}`)),
    )
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
}
