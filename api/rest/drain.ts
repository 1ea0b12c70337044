// The drain: whether this host takes tasks. POST drains it and, unless told otherwise, stops what
// runs; DELETE takes it back. What then becomes of the tasks, GET /tasks shows.

import type { Draining, DrainOrders } from '../../agent/orders.ts'
import { invalid } from '../aws-error.ts'
import { REASON_MAX } from '../stop-task.ts'
import type { App } from './routes.ts'
import { DrainBody } from './schemas.ts'

/** `POST /drain` and `DELETE /drain`. */
export function addDrainRoutes(app: App, orders: DrainOrders): void {
  app.post(
    '/drain',
    { schema: { summary: 'Take no more tasks, and stop those that run', body: DrainBody } },
    async ({ body: { reason = '', stopTasks = true } }) => {
      if (reason.length > REASON_MAX) {
        throw invalid('reason', `${reason.length} characters; at most ${REASON_MAX} are allowed`)
      }
      orders.drain({ why: reason === '' ? 'no reason was given' : reason, stopTasks })
      return drainView(orders.draining())
    },
  )
  app.delete('/drain', { schema: { summary: 'Take tasks again' } }, async () => {
    orders.undrain()
    return drainView(orders.draining())
  })
}

/** In REST's words: ECS's status of a container instance, and since when, why and how long. */
export function drainView(draining: Draining | undefined) {
  if (draining === undefined) return { status: 'ACTIVE' }
  const { since, why, endsAt } = draining
  return {
    status: 'DRAINING',
    draining: {
      since: new Date(since).toISOString(),
      why,
      ...(endsAt === undefined ? {} : { endsAt: new Date(endsAt).toISOString() }),
    },
  }
}
