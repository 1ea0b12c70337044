// What differs between two maps of records, as the fabric's plan asks it. Pure.

/** A record that is new, gone, or another than it was. */
export type Change<T> = { readonly id: string; readonly was?: T; readonly now?: T }

/** Which ids differ, seen through `view`; a map or a record that is the same object is not even looked at. */
export function changes<M, T>(
  before: ReadonlyMap<string, M>,
  after: ReadonlyMap<string, M>,
  view: (record: M) => T | undefined,
): Change<T>[] {
  const found: Change<T>[] = []
  if (before === after) return found
  const compare = (id: string, old: M | undefined, recent: M | undefined): void => {
    const was = old === undefined ? undefined : view(old)
    const now = recent === undefined ? undefined : view(recent)
    if (JSON.stringify(was) === JSON.stringify(now)) return
    found.push({ id, ...(was === undefined ? {} : { was }), ...(now === undefined ? {} : { now }) })
  }
  // By far the most are what they were: nothing is made for them, at five thousand ENIs either.
  for (const [id, old] of before) {
    const recent = after.get(id)
    if (recent !== old) compare(id, old, recent)
  }
  for (const [id, recent] of after) if (!before.has(id)) compare(id, undefined, recent)
  return found
}
