// The programs of this machine inside a task: its libraries, Python, the AWS CLI, curl, ip, nft and Node,
// mounted read-only into an image that has busybox alone; and the programs of our own in consumers/.

import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

const PLACES = {
  usr: { from: '/usr', to: '/usr' },
  lib: { from: '/usr/lib', to: '/lib' },
  lib64: { from: '/usr/lib64', to: '/lib64' },
  modules: { from: join(ROOT, 'node_modules'), to: '/app/node_modules' },
  consumers: { from: join(import.meta.dirname, 'consumers'), to: '/app/consumers' },
}

/** Of the task definition. */
export const volumes = Object.entries(PLACES).map(([name, { from }]) => ({
  name,
  host: { sourcePath: from },
}))

/** Of each container that is to have them. */
export const mountPoints = Object.entries(PLACES).map(([sourceVolume, { to }]) => ({
  sourceVolume,
  containerPath: to,
  readOnly: true,
}))

/** Node, inside. */
export const NODE = '/app/node_modules/node/bin/node'
