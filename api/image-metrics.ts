// What GET /metrics tells of images: counted by the agent since its start, read when somebody asks.

import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { Api } from './api.ts'

export function addImageMetrics({ orders }: Api, all: readonly Registry[]): void {
  const registers = [...all]
  new Counter({
    name: 'enid_image_pulls_total',
    help: 'Pulls that ended; cached: it failed, and what was on this host is used',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset()
      for (const [outcome, count] of Object.entries(orders.images().pulls)) {
        this.inc({ outcome }, count)
      }
    },
  })
  new Counter({
    name: 'enid_images_removed_total',
    help: 'Images that the clean-up removed',
    registers,
    collect() {
      this.reset()
      this.inc(orders.images().cleanup.removedCount)
    },
  })
  new Gauge({
    name: 'enid_images_known',
    help: 'Images on this host that were pulled for tasks',
    registers,
    collect() {
      this.set(orders.images().knownCount)
    },
  })
}
