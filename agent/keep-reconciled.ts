// Puts together what sweeps this host, for agent/main.ts.

import { machineClock } from './clock.ts'
import { scaled } from './deadlines.ts'
import { openOrphans } from './drivers/orphans.ts'
import { openSurvey } from './drivers/survey.ts'
import type { Hands, Told } from './hands.ts'
import { type Base, journalSince } from './open-state.ts'
import { Reconcile } from './reconcile.ts'
import type { Runner } from './runner.ts'
import { SWEEP_MS } from './verdict.ts'

type Parts = Pick<Told, 'journal' | 'catalog' | 'onDefect'> &
  Pick<Hands, 'host' | 'ec2' | 'docker' | 'kernel'>

/** The sweep, not begun yet, which closes with `up`. `tell`: of what was seen of a holder. */
export function keepReconciled(
  { config, log, up }: Pick<Base, 'config' | 'log' | 'up'>,
  { journal, catalog, host, ec2, docker, kernel, onDefect }: Parts,
  tell: Runner['tell'],
): Reconcile {
  const { instanceId } = host
  const { stateDir } = config
  const reconcile = new Reconcile({
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
  up.defer(() => reconcile.close())
  return reconcile
}
