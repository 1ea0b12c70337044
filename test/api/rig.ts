// The API over a real state file and a fake agent, reached on a loopback port as anybody would.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContainerDefinition, RegisterTaskDefinitionCommandInput } from '@aws-sdk/client-ecs'
import { ECSClient } from '@aws-sdk/client-ecs'
import { machineClock } from '../../agent/clock.ts'
import { Services } from '../../agent/services.ts'
import type { AnswerInside } from '../../api/inside/inside.ts'
import { openApi } from '../../api/server.ts'
import { Catalog } from '../../state/catalog.ts'
import { openDatabase } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { ServiceStore } from '../../state/service-store.ts'
import type { FakeOrders } from './fake-orders.ts'
import { fakeOrders, GROUP, SUBNET } from './fake-orders.ts'

export type Rig = {
  readonly url: string
  readonly folder: string
  readonly orders: FakeOrders
  readonly journal: Journal
  readonly catalog: Catalog
  readonly services: ServiceStore
  readonly ecs: ECSClient
  readonly defects: unknown[]
  /** One ECS request by hand. */
  raw(action: string, body: unknown): Promise<{ status: number; body: Record<string, string> }>
  listenUnix(path: string): Promise<void>
  /** One request from inside the namespace with this path. */
  fromInside(
    netns: string,
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; body: unknown }>
  close(): Promise<void>
}

/** Opens everything in a folder of its own, on a free port. */
export async function openRig(
  options: Pick<Parameters<typeof openApi>[0], 'patience'> = {},
): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'enid-api-'))
  const db = openDatabase(join(folder, 'enid.db'))
  const journal = new Journal(db, Date.now)
  const catalog = new Catalog(db, Date.now)
  const services = new ServiceStore(db, Date.now)
  const orders = fakeOrders(journal)
  const defects: unknown[] = []
  const keeper = new Services({
    ...{ journal, catalog, services, clock: machineClock },
    runner: { stop: orders.stop },
    ...{ place: orders.place, start: orders.start },
    prepare: orders.prepare,
    room: orders.room,
    draining: orders.draining,
    log: { info: () => {}, warn: () => {} },
    onDefect: (error) => defects.push(error),
    // What ECS waits 40 s for takes 40 ms.
    timeoutScale: 0.001,
  })
  orders.keeper = keeper
  keeper.start()
  const api = await openApi({
    ...options,
    orders,
    journal,
    catalog,
    services,
    version: '0.0.1-test',
    architecture: 'X86_64',
    onDefect: (error) => defects.push(error),
  })
  const url = `http://127.0.0.1:${await api.listenTcp('127.0.0.1', 0)}`
  const ecs = new ECSClient({
    endpoint: url,
    region: 'us-west-2',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  return {
    url,
    folder,
    orders,
    journal,
    catalog,
    services,
    ecs,
    defects,
    async raw(action, body) {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `AmazonEC2ContainerServiceV20141113.${action}`,
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
      return { status: response.status, body: (await response.json()) as Record<string, string> }
    },
    listenUnix: api.listenUnix,
    fromInside: (netns, path, init) => askInside(api.answerInside, netns, path, init),
    async close() {
      ecs.destroy()
      keeper.close()
      await api.close()
      db.close()
      rmSync(folder, { recursive: true })
    },
  }
}

async function askInside(answer: AnswerInside, netns: string, path: string, init?: RequestInit) {
  const server = createServer((request, response) => answer(netns, request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
    return { status: response.status, body: await response.json() }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

export const nginx = (change: Partial<ContainerDefinition> = {}): ContainerDefinition => ({
  name: 'nginx',
  image: 'nginx:latest',
  cpu: 100,
  memory: 512,
  essential: true,
  portMappings: [{ containerPort: 80, protocol: 'tcp' }],
  ...change,
})

/** The definition of the awsvpc announcement. */
export const seedDefinition = (
  ...containers: ContainerDefinition[]
): RegisterTaskDefinitionCommandInput => ({
  family: 'nginx-awsvpc',
  networkMode: 'awsvpc',
  containerDefinitions: containers.length === 0 ? [nginx()] : [...containers],
})

export const network = {
  awsvpcConfiguration: { subnets: [SUBNET], securityGroups: [GROUP] },
}
