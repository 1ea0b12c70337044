// A life of the kernel hands in a process of its own, so that a test can kill it or watch it end.
//
//   node kernel-life.ts take-in '<request>'    says "ready", takes in, stays
//   node kernel-life.ts exit                   says "ready", exits 7 without closing
//   node kernel-life.ts enter                  tries to enter a namespace from the main thread
//   node kernel-life.ts lose-home <netns>      a worker enters, and its way home is closed

import fs from 'node:fs'
import { isMainThread, Worker } from 'node:worker_threads'
import { openKernel } from '../../agent/drivers/kernel/kernel.ts'
import type { LinkExpectation } from '../../agent/drivers/kernel/link.ts'
import { Namespaces } from '../../agent/drivers/kernel/netns.ts'

const [, , verb, argument = ''] = process.argv
const silent = { warn() {}, error() {} }

if (verb === 'enter') new Namespaces()
if (verb === 'lose-home' && isMainThread) {
  new Worker(new URL(import.meta.url), { argv: [verb, argument] })
}
if (verb === 'lose-home' && !isMainThread) {
  const namespaces = new Namespaces()
  namespaces.use(argument, (fd) => {
    fs.closeSync(namespaces.homeFd)
    namespaces.enter(fd, () => undefined)
  })
}
if (verb === 'take-in' || verb === 'exit') {
  const kernel = openKernel(silent)
  await kernel.links()
  console.log('ready')
  if (verb === 'exit') process.exit(7)
  await kernel.takeIn(JSON.parse(argument) as LinkExpectation)
}
