// Docker's side of a comparison, through its API and nothing between: what `docker run -d` asks of
// dockerd, which is to create a container and to start it. All wear one label and go with the stage.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { openDocker } from '../agent/drivers/docker.ts'
import { tarOf } from '../agent/drivers/pause/image.ts'
import { type Client, openClient } from './client.ts'

const LABEL = 'enid:bench'
/** Where Debian and Ubuntu put the static busybox (package busybox-static). */
const BUSYBOX = '/bin/busybox'

/** What is given to create: as the Engine's API names it. */
export type Plan = Readonly<Record<string, unknown>>

export type DockerSide = {
  readonly client: Client
  /** Makes a container, not yet started; its id. */
  create(plan: Plan): Promise<string>
  start(id: string): Promise<void>
  /** Kills and removes it. */
  remove(id: string): Promise<void>
  /** An image of busybox alone, `/busybox`; made when it is first asked for. */
  image(): Promise<string>
  /** Takes away what was made here: containers, then the image. */
  close(): Promise<void>
}

/** Where the dockerd listens that DOCKER_HOST names, or this host's. */
export function socketOfDocker(): string {
  const host = process.env.DOCKER_HOST ?? ''
  return host.startsWith('unix://') ? host.slice(7) : '/var/run/docker.sock'
}

/** Speaks to the dockerd that DOCKER_HOST names, or to this host's; `sockets` connections at most. */
export function openDockerSide(sockets = 1): DockerSide {
  const client = openClient({ socketPath: socketOfDocker() }, sockets)
  const mark = randomBytes(4).toString('hex')
  const label = { [LABEL]: mark }
  let image: Promise<string> | undefined
  let isClosing = false
  const importImage = async (): Promise<string> => {
    const [repository, tag] = ['enid-bench/app', mark]
    const layer = tarOf('busybox', readFileSync(BUSYBOX))
    const signal = AbortSignal.timeout(60_000)
    await openDocker().importImage(layer, { repository, tag, changes: [] }, signal)
    return `${repository}:${tag}`
  }
  return {
    client,
    async create(plan) {
      if (isClosing) throw new Error('the row is over: no container is made any more')
      const labels = { ...label, ...(plan.Labels as object | undefined) }
      const body = { ...plan, Labels: labels }
      const { Id } = await client.ask<{ Id: string }>('POST', '/containers/create', body)
      return Id
    },
    start: (id) => client.ask('POST', `/containers/${id}/start`),
    remove: (id) => client.ask('DELETE', `/containers/${id}?force=true&v=true`),
    image() {
      image ??= importImage()
      return image
    },
    async close() {
      isClosing = true
      const filters = encodeURIComponent(JSON.stringify({ label: [`${LABEL}=${mark}`] }))
      type Found = readonly { readonly Id: string }[]
      const found = await client.ask<Found>('GET', `/containers/json?all=true&filters=${filters}`)
      for (const { Id } of found) await this.remove(Id)
      if (image !== undefined) await client.ask('DELETE', `/images/${await image}?force=true`)
      client.close()
    },
  }
}
