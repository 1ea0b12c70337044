// The warm spares in /status: which pools there are, what is ready, what failed and why, and how
// launches were served.

import type { Orders } from '../../agent/orders.ts'

type View = ReturnType<Orders['spares']>

const iso = (at: number): string => new Date(at).toISOString()

/** The view with its moments in words. */
export const sparesView = ({ pools, ...view }: View) => ({
  ...view,
  pools: pools.map(poolView),
})

function poolView({ lastFailure, notBefore, ...pool }: View['pools'][number]) {
  return {
    ...pool,
    ...(lastFailure && { lastFailure: { ...lastFailure, at: iso(lastFailure.at) } }),
    ...(notBefore === undefined ? {} : { notBefore: iso(notBefore) }),
  }
}
