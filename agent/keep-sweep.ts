// Puts together the sweep, for agent/main.ts.

import { machineClock } from './clock.ts'
import { scaled } from './deadlines.ts'
import { openOrphans } from './drivers/orphans.ts'
import { openSurvey } from './drivers/survey.ts'
import type { Hands } from './hands.ts'
import type { Base, State } from './open-state.ts'
import { journalSince } from './open-state.ts'
import { Reconcile } from './reconcile.ts'
import type { OnDefect, Runner } from './runner.ts'
import { SWEEP_MS } from './verdict.ts'

type Parts = Pick<State, 'journal' | 'catalog'> &
  Pick<Hands, 'host' | 'ec2' | 'docker' | 'kernel'> & { readonly onDefect: OnDefect }

/** The sweep, not begun yet. */
export function reconcileOf(
  { journal, catalog, host, ec2, docker, kernel, onDefect }: Parts,
  { tell, log, config }: { tell: Runner['tell'] } & Pick<Base, 'log' | 'config'>,
): Reconcile {
  const { instanceId } = host
  const { stateDir } = config
  return new Reconcile({
    journal,
    instanceId,
    journalSince: journalSince(catalog),
    survey: openSurvey({ ec2, docker, kernel, instanceId, stateDir }),
    orphans: openOrphans({ ec2, docker, kernel, instanceId, stateDir }),
    tell,
    clock: machineClock,
    log,
    onDefect,
    keepGroups: config.keepGroups,
    times: scaled(SWEEP_MS, config.sweepScale),
  })
}
