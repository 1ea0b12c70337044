// What GET /metrics tells of this host's share of the account's EC2 rates, action by action, read when
// somebody asks.

import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { Api } from './api.ts'

export function addBudgetMetrics({ orders }: Api, all: readonly Registry[]): void {
  const registers = [...all]
  const labelNames = ['action']
  new Gauge({
    name: 'enid_ec2_calls_waiting',
    help: 'Calls to EC2 that wait for their turn',
    labelNames,
    registers,
    collect() {
      for (const { action, waiting } of orders.budget().actions) this.set({ action }, waiting)
    },
  })
  new Gauge({
    name: 'enid_ec2_tokens',
    help: "Calls to EC2 that could be made at once, of this host's share",
    labelNames,
    registers,
    collect() {
      for (const { action, tokens } of orders.budget().actions) this.set({ action }, tokens)
    },
  })
  new Counter({
    name: 'enid_ec2_throttles_total',
    help: 'Calls that EC2 refused because the account makes too many',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { action, throttled } of orders.budget().actions) this.inc({ action }, throttled)
    },
  })
}
