// What is remembered beside the holders: task definitions, clusters, tags, which RunTask made which
// tasks, and a few facts about this host. Kept as api/ gave it; nothing in here is decided upon.

import type { Database } from './database.ts'
import { writing } from './database.ts'
import type { HolderId, Json } from './spec.ts'

/** One registered revision. `body` is the definition in the words of whoever registered it. */
export type Definition = {
  readonly family: string
  readonly revision: number
  readonly active: boolean
  readonly registeredAt: number
  readonly stoppedAt?: number
  readonly body: Json
}

/** A cluster: a name that tasks carry. */
export type Cluster = { readonly name: string; readonly active: boolean; readonly body: Json }

/** What a client token stood for: the same request gets the same tasks. */
export type Run = { readonly request: string; readonly holders: readonly HolderId[] }

export class Catalog {
  readonly #db: Database
  readonly #now: () => number

  constructor(db: Database, now: () => number) {
    this.#db = db
    this.#now = now
  }

  /** Registers the next revision of a family; the first is 1, and numbers are never used again. */
  register(family: string, body: Json): Definition {
    const at = this.#now()
    const { revision } = this.#db
      .prepare<[string, string, number, string], { revision: number }>(
        `INSERT INTO definitions (family, revision, registered_at, body)
         VALUES (?, 1 + coalesce((SELECT max(revision) FROM definitions WHERE family = ?), 0), ?, ?)
         RETURNING revision`,
      )
      .get(family, family, at, JSON.stringify(body)) as { revision: number }
    return { family, revision, active: true, registeredAt: at, body }
  }

  /** The given revision, or without one the newest active. */
  definition(family: string, revision?: number): Definition | undefined {
    const row =
      revision === undefined
        ? this.#db
            .prepare<[string], DefinitionRow>(
              'SELECT * FROM definitions WHERE family = ? AND active = 1 ORDER BY revision DESC',
            )
            .get(family)
        : this.#db
            .prepare<[string, number], DefinitionRow>(
              'SELECT * FROM definitions WHERE family = ? AND revision = ?',
            )
            .get(family, revision)
    return row === undefined ? undefined : definitionOf(row)
  }

  /** Every revision, by family and revision. */
  definitions(): Definition[] {
    return this.#db
      .prepare<[], DefinitionRow>('SELECT * FROM definitions ORDER BY family, revision')
      .all()
      .map(definitionOf)
  }

  /** Marks a revision INACTIVE: it can be read, and no longer run. */
  deregister(family: string, revision: number): void {
    this.#db
      .prepare(
        'UPDATE definitions SET active = 0, stopped_at = ? WHERE family = ? AND revision = ?',
      )
      .run(this.#now(), family, revision)
  }

  /** Creates the cluster, or makes it active again. */
  putCluster(name: string, body: Json): Cluster {
    this.#db
      .prepare('INSERT OR REPLACE INTO clusters (name, active, body) VALUES (?, 1, ?)')
      .run(name, JSON.stringify(body))
    return { name, active: true, body }
  }

  /** Marks a cluster INACTIVE. */
  dropCluster(name: string): void {
    this.#db.prepare('UPDATE clusters SET active = 0 WHERE name = ?').run(name)
  }

  cluster(name: string): Cluster | undefined {
    return this.clusters().find((c) => c.name === name)
  }

  clusters(): Cluster[] {
    return this.#db
      .prepare<[], ClusterRow>('SELECT * FROM clusters ORDER BY name')
      .all()
      .map((r) => ({ name: r.name, active: r.active === 1, body: JSON.parse(r.body) as Json }))
  }

  /** The tags of a resource, by ARN. */
  tags(arn: string): Record<string, string> {
    const rows = this.#db
      .prepare<[string], { key: string; value: string }>(
        'SELECT key, value FROM tags WHERE arn = ? ORDER BY key',
      )
      .all(arn)
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
  }

  /** Adds tags or replaces their values. */
  tag(arn: string, tags: Readonly<Record<string, string>>): void {
    const put = this.#db.prepare('INSERT OR REPLACE INTO tags (arn, key, value) VALUES (?, ?, ?)')
    for (const [key, value] of Object.entries(tags)) put.run(arn, key, value)
  }

  /** Removes tags by key; a key that is not there is success. */
  untag(arn: string, keys: readonly string[]): void {
    const drop = this.#db.prepare('DELETE FROM tags WHERE arn = ? AND key = ?')
    for (const key of keys) drop.run(arn, key)
  }

  /** Forgets the tags of everything whose ARN ends with this holder's id. */
  forgetTags(holder: HolderId): void {
    this.#db.prepare("DELETE FROM tags WHERE arn LIKE '%/' || ?").run(holder)
  }

  /** What a RunTask with this client token made, if it was one. */
  run(token: string): Run | undefined {
    const row = this.#db
      .prepare<[string], { request: string; holders: string }>(
        'SELECT request, holders FROM runs WHERE token = ?',
      )
      .get(token)
    if (row === undefined) return undefined
    return { request: row.request, holders: JSON.parse(row.holders) as HolderId[] }
  }

  /** Remembers what a client token stands for. Write it in one commit with the holders. */
  putRun(token: string, { request, holders }: Run): void {
    this.#db
      .prepare('INSERT INTO runs (token, request, holders, at) VALUES (?, ?, ?, ?)')
      .run(token, request, JSON.stringify(holders), this.#now())
  }

  /** Forgets client tokens older than `at`; AWS keeps them for a day. */
  forgetRuns(before: number): void {
    this.#db.prepare('DELETE FROM runs WHERE at < ?').run(before)
  }

  /** A fact about this host that must survive us: its instance id, its boot id. */
  fact(name: string): string | undefined {
    return this.#db
      .prepare<[string], { value: string }>('SELECT value FROM facts WHERE name = ?')
      .get(name)?.value
  }

  /** Throws StateFileUnwritable, and has kept nothing, while the disk is full or the file locked. */
  putFact(name: string, value: string): void {
    const put = this.#db.prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)')
    writing(() => put.run(name, value))
  }

  /** Forgets a fact; one that is not there is forgotten already. Throws as `putFact` does. */
  forgetFact(name: string): void {
    const forget = this.#db.prepare('DELETE FROM facts WHERE name = ?')
    writing(() => forget.run(name))
  }
}

type ClusterRow = { name: string; active: number; body: string }
type DefinitionRow = {
  family: string
  revision: number
  active: number
  registered_at: number
  stopped_at: number | null
  body: string
}

const definitionOf = (row: DefinitionRow): Definition => ({
  family: row.family,
  revision: row.revision,
  active: row.active === 1,
  registeredAt: row.registered_at,
  ...(row.stopped_at === null ? {} : { stoppedAt: row.stopped_at }),
  body: JSON.parse(row.body) as Json,
})
