// The services that are remembered, each as one row, and what they had to say. What they are is decided
// in service.ts; a row is written in one commit with the tasks that it begins.

import type { Database } from './database.ts'
import { onFile } from './database.ts'
import type { Service } from './service.ts'
import { serviceKey } from './service.ts'

/** ECS shows the last hundred events of a service. */
const EVENTS_MAX = 100

/** What a service had to say. `seq` grows, and is never used twice while it is remembered. */
export type ServiceEvent = { readonly seq: number; readonly at: number; readonly message: string }

export class ServiceStore {
  readonly #db: Database
  readonly #now: () => number

  constructor(db: Database, now: () => number) {
    this.#db = db
    this.#now = now
  }

  /**
   * All of them, in the order in which their tasks are started: those of which each host has one,
   * as ECS does it, then the oldest. One that cannot be read is left out; see `unread`.
   */
  all(): Service[] {
    const rank = ({ strategy, createdAt }: Service) => (strategy === 'DAEMON' ? 0 : createdAt)
    return this.#rows()
      .flatMap(({ body }) => parsed(body) ?? [])
      .toSorted((a, b) => rank(a) - rank(b) || (serviceKey(a) < serviceKey(b) ? -1 : 1))
  }

  /** The service of this key (cluster/name), INACTIVE ones included. */
  get(key: string): Service | undefined {
    const [row] = this.#query<Row>('SELECT key, body FROM services WHERE key = ?', key)
    return row && parsed(row.body)
  }

  /** Keeps it in the place of the one of its key, and adds what it has to say, oldest first. */
  put(service: Service, says: readonly string[] = []): void {
    const key = serviceKey(service)
    this.#run(
      'INSERT INTO services (key, body) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body',
      ...[key, JSON.stringify(service)],
    )
    if (says.length === 0) return
    for (const message of says) {
      const put = 'INSERT INTO service_events (service, at, message) VALUES (?, ?, ?)'
      this.#run(put, key, this.#now(), message)
    }
    this.#run(
      `DELETE FROM service_events WHERE service = ? AND seq <= (
         SELECT seq FROM service_events WHERE service = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
      ...[key, key, EVENTS_MAX],
    )
  }

  /** What it had to say, the newest first, at most a hundred. */
  events(key: string): ServiceEvent[] {
    return this.#query<ServiceEvent>(
      'SELECT seq, at, message FROM service_events WHERE service = ? ORDER BY seq DESC',
      key,
    )
  }

  /** Forgets a service and its events; one that is not there is forgotten already. */
  forget(key: string): void {
    this.#run('DELETE FROM services WHERE key = ?', key)
  }

  /** The rows that cannot be read: `service default/web`. Their tasks are left as they are. */
  unread(): string[] {
    const rows = this.#rows().filter(({ body }) => parsed(body) === undefined)
    return rows.map(({ key }) => `service ${key}`)
  }

  #rows(): Row[] {
    return this.#query<Row>('SELECT key, body FROM services')
  }

  #query<T>(sql: string, ...values: (string | number)[]): T[] {
    return onFile(this.#db.name, () => this.#db.prepare<(string | number)[], T>(sql).all(...values))
  }

  #run(sql: string, ...values: (string | number)[]): void {
    onFile(this.#db.name, () => this.#db.prepare(sql).run(...values))
  }
}

type Row = { readonly key: string; readonly body: string }

function parsed(text: string): Service | undefined {
  try {
    return JSON.parse(text) as Service
  } catch {
    return undefined
  }
}
