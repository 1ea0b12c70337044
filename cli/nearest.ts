// "Did you mean": the known word that is nearest to what somebody typed.

/** The nearest of `known`, or undefined where none is near enough to be meant. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const scored = known
    .map((word) => ({ word, distance: distance(typed.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = scored[0]
  // A third of the letters may differ: `--subent` is near `--subnet`, `--foo` is near nothing.
  const limit = Math.max(1, Math.floor(typed.replace(/^-+/, '').length / 3))
  return best !== undefined && best.distance <= limit ? best.word : undefined
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const ways = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same]
      if (swapped) ways.push(at(i - 2, j - 2) + 1)
      rows[i]?.push(Math.min(...ways))
    }
  }
  return at(a.length, b.length)
}
