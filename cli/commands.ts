// The commands by name, each imported only when it is run: `enid ps` need not load the agent.

import type { Command } from './command.ts'

/** In the order of `enid help`. */
export const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['run', async () => (await import('./run.ts')).run],
  ['ps', async () => (await import('./ps.ts')).ps],
  ['describe', async () => (await import('./describe.ts')).describe],
  ['stop', async () => (await import('./stop.ts')).stop],
  ['logs', async () => (await import('./logs.ts')).logs],
  ['stats', async () => (await import('./stats.ts')).stats],
  ['exec', async () => (await import('./exec.ts')).exec],
  ['groups', async () => (await import('./groups.ts')).groups],
  ['services', async () => (await import('./services.ts')).services],
  ['service', async () => (await import('./service.ts')).service],
  ['spares', async () => (await import('./spares.ts')).spares],
  ['drain', async () => (await import('./drain.ts')).drain],
  ['sweep', async () => (await import('./sweep.ts')).sweep],
  ['agent', async () => (await import('./agent.ts')).agent],
  ['lab', async () => (await import('./lab.ts')).lab],
  ['version', async () => (await import('./version.ts')).version],
  ['help', async () => (await import('./help.ts')).help],
])
