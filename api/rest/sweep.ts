// The sweep, asked for by a person: what does not agree between the world and the journal, why, and
// what follows from it. GET looks, POST acts.

import type { Sweep, SweepOrders } from '../../agent/orders.ts'
import type { App } from './routes.ts'

/** `GET /sweep` and `POST /sweep`. */
export function addSweepRoutes(app: App, orders: SweepOrders): void {
  app.get('/sweep', { schema: { summary: 'What a sweep would find and do now' } }, async () =>
    view(await orders.planSweep()),
  )
  app.post(
    '/sweep',
    { schema: { summary: 'Give back what no task claims, and look again at what is missing' } },
    async () => view(await orders.sweep()),
  )
}

/** In REST's words: task ids, and times as ISO 8601. */
function view({ at, findings, away }: Sweep) {
  return {
    at: new Date(at).toISOString(),
    findings: findings.map(({ holderId, ...rest }) => ({
      ...(holderId === undefined ? {} : { taskId: holderId }),
      ...rest,
    })),
    away,
  }
}
