// What a host is made of: its machine (processes), and a door to EC2 and IMDS in its own namespace, at
// the very URLs that the lab has on the machine it runs on. Whoever comes through the door is that
// host; nobody has to say so.

import type { Server } from 'node:http'
import type { LabFabric } from '../fabric/open.ts'
import type { Lab } from '../lab.ts'
import { makeHostServer } from '../server.ts'
import { DOCKER_SOCKET } from './dockerd.ts'
import { folderOf, Machine } from './machine.ts'
import type { HostParts, OpenHost } from './open-host.ts'

/** The parts of a lab's hosts. `port` is the lab's own. */
export function hostParts(lab: Lab, fabric: LabFabric, port: number): HostParts {
  return {
    sweep: (keep) => Machine.sweep(lab.name, keep),
    async open(host, instance) {
      const machine = Machine.find(lab.name, host) ?? (await Machine.boot(lab.name, host, instance))
      try {
        const closeDoor = await openDoor(lab, fabric, instance, port)
        const folder = folderOf(lab.name, host.name)
        return opened(machine, closeDoor, {
          ...lab.env(port),
          ENID_STATE_DIR: `${folder}/enid`,
          ENID_SOCKET: '/run/enid/enid.sock',
          ...(host.docker ? { DOCKER_HOST: `unix://${DOCKER_SOCKET}` } : {}),
        })
      } catch (error) {
        await machine.powerOff()
        throw error
      }
    },
  }
}

function opened(
  machine: Machine,
  closeDoor: () => Promise<void>,
  env: Record<string, string>,
): OpenHost {
  return {
    env,
    get pid() {
      return machine.pid
    },
    get dockerd() {
      return machine.dockerd
    },
    leave: closeDoor,
    async close() {
      await closeDoor()
      await machine.powerOff()
    },
  }
}

async function openDoor(
  lab: Lab,
  fabric: LabFabric,
  { netns, instanceId }: { netns: string; instanceId: string },
  port: number,
): Promise<() => Promise<void>> {
  const app = makeHostServer(lab, () => lab.region.world.instances.get(instanceId))
  await app.ready()
  const fd = await fabric.listenIn(netns, '127.0.0.1', port)
  await listening(app.server, fd)
  return async () => {
    // A connection that lives on would keep the namespace.
    const closed = new Promise<void>((resolve) => app.server.close(() => resolve()))
    app.server.closeAllConnections()
    await closed
    await app.close()
  }
}

function listening(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
}
