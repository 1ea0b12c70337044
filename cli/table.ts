// Text for people: tables, ages and durations. No colours, no box drawing: it is piped and grepped.

/** Columns under their headings, two spaces apart, as wide as they must be. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows]
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and values in two columns; pairs without a value are left out. */
export function pairs(entries: readonly (readonly [string, string | undefined])[]): string {
  const shown = entries.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(0, ...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

/** An environment as a shell takes it in. */
export const exports = (environment: Readonly<Record<string, string>>): string =>
  Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`)
    .join('\n')

/** How long ago, in the largest unit that is not zero: `42s`, `7m`, `3h`, `12d`. */
export function age(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** A duration: `412 ms`, `3.2 s`, `4 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`
}

/** An amount of bytes in three digits: `0 B`, `1.5 kB`, `64 MB`; `-` where it is not known. */
export function bytes(amount: number | undefined): string {
  if (amount === undefined) return '-'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const at = Math.min(Math.max(Math.floor(Math.log(amount) / Math.log(1024)), 0), units.length - 1)
  return `${Number((amount / 1024 ** at).toPrecision(3))} ${units[at]}`
}
