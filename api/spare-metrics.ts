// What GET /metrics tells of warm spares: counted by the agent since its start, read when somebody asks.

import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { Api } from './api.ts'

export function addSpareMetrics({ orders }: Api, all: readonly Registry[]): void {
  const registers = [...all]
  new Gauge({
    name: 'enid_spares',
    help: 'Warm spares of each pool: wanted, ready, and being made',
    labelNames: ['subnet', 'groups', 'state'],
    registers,
    collect() {
      this.reset()
      for (const pool of orders.spares().pools) {
        const labels = { subnet: pool.subnetId, groups: pool.securityGroupIds.join(',') }
        this.set({ ...labels, state: 'wanted' }, pool.wanted)
        this.set({ ...labels, state: 'ready' }, pool.ready.length)
        this.set({ ...labels, state: 'making' }, pool.making.length)
      }
    },
  })
  new Counter({
    name: 'enid_spare_launches_total',
    help: 'Launches while there are pools: warm, with a spare in other groups, or without one',
    labelNames: ['way'],
    registers,
    collect() {
      this.reset()
      for (const [way, count] of Object.entries(orders.spares().served)) this.inc({ way }, count)
    },
  })
  new Counter({
    name: 'enid_spares_ended_total',
    help: 'Spares that no task took over: given up for their slots, or failed',
    labelNames: ['why'],
    registers,
    collect() {
      const { givenUpCount, failedCount } = orders.spares()
      this.reset()
      this.inc({ why: 'given up' }, givenUpCount)
      this.inc({ why: 'failed' }, failedCount)
    },
  })
}
