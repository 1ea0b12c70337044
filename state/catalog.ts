// What is remembered beside the holders: task definitions, clusters, tags, which RunTask made which
// tasks, and a few facts about this host. Kept as api/ gave it; nothing in here is decided upon.
// A row that cannot be read is as if it were not there, and `unread` names it.

import type { Database } from './database.ts'
import { onFile } from './database.ts'
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
    const [made] = this.#all<{ revision: number }>(
      `INSERT INTO definitions (family, revision, registered_at, body)
       VALUES (?, 1 + coalesce((SELECT max(revision) FROM definitions WHERE family = ?), 0), ?, ?)
       RETURNING revision`,
      ...[family, family, at, JSON.stringify(body)],
    )
    const { revision } = made as { revision: number }
    return { family, revision, active: true, registeredAt: at, body }
  }

  /** The given revision, or without one the newest active. */
  definition(family: string, revision?: number): Definition | undefined {
    const [row] =
      revision === undefined
        ? this.#all<DefinitionRow>(
            'SELECT * FROM definitions WHERE family = ? AND active = 1 ORDER BY revision DESC LIMIT 1',
            family,
          )
        : this.#all<DefinitionRow>(
            'SELECT * FROM definitions WHERE family = ? AND revision = ?',
            ...[family, revision],
          )
    return row === undefined ? undefined : definitionOf(row)
  }

  /** Every revision, by family and revision. */
  definitions(): Definition[] {
    const rows = this.#all<DefinitionRow>('SELECT * FROM definitions ORDER BY family, revision')
    return rows.flatMap((row) => definitionOf(row) ?? [])
  }

  /** Marks a revision INACTIVE: it can be read, and no longer run. */
  deregister(family: string, revision: number): void {
    this.#run(
      'UPDATE definitions SET active = 0, stopped_at = ? WHERE family = ? AND revision = ?',
      ...[this.#now(), family, revision],
    )
  }

  /** Creates the cluster, or makes it active again. */
  putCluster(name: string, body: Json): Cluster {
    this.#run(
      'INSERT OR REPLACE INTO clusters (name, active, body) VALUES (?, 1, ?)',
      ...[name, JSON.stringify(body)],
    )
    return { name, active: true, body }
  }

  /** Marks a cluster INACTIVE. */
  dropCluster(name: string): void {
    this.#run('UPDATE clusters SET active = 0 WHERE name = ?', name)
  }

  cluster(name: string): Cluster | undefined {
    return this.clusters().find((c) => c.name === name)
  }

  clusters(): Cluster[] {
    const rows = this.#all<ClusterRow>('SELECT * FROM clusters ORDER BY name')
    return rows.flatMap(({ name, active, body }) => {
      const read = parsed(body)
      return read === undefined ? [] : [{ name, active: active === 1, body: read }]
    })
  }

  /** The tags of a resource, by ARN. */
  tags(arn: string): Record<string, string> {
    const rows = this.#all<{ key: string; value: string }>(
      'SELECT key, value FROM tags WHERE arn = ? ORDER BY key',
      arn,
    )
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
  }

  /** Adds tags or replaces their values. */
  tag(arn: string, tags: Readonly<Record<string, string>>): void {
    const put = 'INSERT OR REPLACE INTO tags (arn, key, value) VALUES (?, ?, ?)'
    for (const [key, value] of Object.entries(tags)) this.#run(put, arn, key, value)
  }

  /** Removes tags by key; a key that is not there is success. */
  untag(arn: string, keys: readonly string[]): void {
    for (const key of keys) this.#run('DELETE FROM tags WHERE arn = ? AND key = ?', arn, key)
  }

  /** Forgets the tags of everything whose ARN ends with this holder's id. */
  forgetTags(holder: HolderId): void {
    this.#run("DELETE FROM tags WHERE arn LIKE '%/' || ?", holder)
  }

  /**
   * What a RunTask with this client token made, if it was one. Throws where that cannot be read: as
   * if it were not there would be running its tasks once more.
   */
  run(token: string): Run | undefined {
    const [row] = this.#all<{ request: string; holders: string }>(
      'SELECT request, holders FROM runs WHERE token = ?',
      token,
    )
    if (row === undefined) return undefined
    const holders = parsed(row.holders)
    if (holders !== undefined) return { request: row.request, holders: holders as HolderId[] }
    throw new Error(`what the client token ${token} stood for cannot be read: take another token`)
  }

  /** Remembers what a client token stands for. Write it in one commit with the holders. */
  putRun(token: string, { request, holders }: Run): void {
    this.#run(
      'INSERT INTO runs (token, request, holders, at) VALUES (?, ?, ?, ?)',
      ...[token, request, JSON.stringify(holders), this.#now()],
    )
  }

  /** Forgets client tokens older than `at`; AWS keeps them for a day. */
  forgetRuns(before: number): void {
    this.#run('DELETE FROM runs WHERE at < ?', before)
  }

  /** A fact about this host that must survive us: its instance id, its boot id. */
  fact(name: string): string | undefined {
    return this.#all<{ value: string }>('SELECT value FROM facts WHERE name = ?', name)[0]?.value
  }

  /** A fact that was kept as JSON; undefined where there is none or it cannot be read. */
  jsonFact(name: string): Json | undefined {
    const text = this.fact(name)
    return text === undefined ? undefined : parsed(text)
  }

  /**
   * Keeps a fact. One that is known already costs no write. Throws StateFileUnwritable, and has kept
   * nothing, while the disk is full or the file locked.
   */
  putFact(name: string, value: string): void {
    if (this.fact(name) === value) return
    this.#run('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)', name, value)
  }

  /** Forgets a fact; one that is not there is forgotten already. Throws as `putFact` does. */
  forgetFact(name: string): void {
    this.#run('DELETE FROM facts WHERE name = ?', name)
  }

  /** The rows that cannot be read, by what they are: `task definition web:3`. */
  unread(): string[] {
    const rows = this.#all<{ name: string; text: string }>(
      `SELECT 'task definition ' || family || ':' || revision AS name, body AS text FROM definitions
       UNION ALL SELECT 'cluster ' || name, body FROM clusters
       UNION ALL SELECT 'client token ' || token, holders FROM runs
       UNION ALL SELECT 'fact ' || name, value FROM facts
         WHERE name IN ('host', 'foreignIndices', 'drain')`,
    )
    return rows.filter(({ text }) => parsed(text) === undefined).map(({ name }) => name)
  }

  #all<T>(sql: string, ...values: (string | number)[]): T[] {
    return onFile(this.#db.name, () => this.#db.prepare<(string | number)[], T>(sql).all(...values))
  }

  #run(sql: string, ...values: (string | number)[]): void {
    onFile(this.#db.name, () => this.#db.prepare(sql).run(...values))
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

function definitionOf(row: DefinitionRow): Definition | undefined {
  const body = parsed(row.body)
  if (body === undefined) return undefined
  return {
    family: row.family,
    revision: row.revision,
    active: row.active === 1,
    registeredAt: row.registered_at,
    ...(row.stopped_at === null ? {} : { stoppedAt: row.stopped_at }),
    body,
  }
}

/** What the text says, or undefined where it is no JSON. */
function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
