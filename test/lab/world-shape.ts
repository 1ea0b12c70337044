// The shape of what a lab stores: the declarations of the World type and of all types of the model that
// it is made of, as text. `node test/lab/world-shape.ts --write` records it beside FORMAT, and refuses
// where that has to be raised first: where an older lab's world would not be one of the new shape.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FORMAT } from '../../lab/world-store.ts'

/** Each type's lines by its name. */
export type Shape = Readonly<Record<string, readonly string[]>>
/** A shape, and the FORMAT in which it is stored. */
export type Recorded = { readonly format: number; readonly types: Shape }

const MODEL = new URL('../../lab/model', import.meta.url).pathname
const FILE = new URL('./world-shape.json', import.meta.url).pathname

/** The shape that the sources have. */
export function worldShape(): Shape {
  const all = new Map<string, string[]>()
  for (const file of readdirSync(MODEL)) {
    const text = readFileSync(join(MODEL, file), 'utf8')
    const bare = `${text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')}\n\n`
    for (const [, name = '', body = ''] of bare.matchAll(
      /^(?:export )?type (\w+)(?:<[^>]*>)? =([\s\S]*?)(?=\n(?:\n|\S(?<![})|&])))/gm,
    )) {
      const lines = body.split('\n').map((line) => line.trim())
      all.set(name, [...(all.get(name) ?? []), ...lines.filter((line) => line !== '')])
    }
  }
  const found = new Map<string, readonly string[]>()
  const waiting = ['World']
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const lines = all.get(name)
    if (lines === undefined || found.has(name)) continue
    found.set(name, lines)
    waiting.push(...[...lines.join('\n').matchAll(/\b[A-Z]\w+\b/g)].map(([each]) => each))
  }
  return Object.fromEntries([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The shape that was recorded last. */
export const recordedShape = (): Recorded => JSON.parse(readFileSync(FILE, 'utf8'))

/**
 * Where a world of the one shape is none of the other, so that FORMAT has to be raised: what is new
 * and neither optional, nor a map, nor one more alternative; and what is changed or gone.
 */
export function breaks(before: Shape, now: Shape): string[] {
  return Object.entries(before).flatMap(([name, old]) => {
    const lines = now[name] ?? []
    const isHarmless = (line: string): boolean =>
      /^readonly \w+\?:|^readonly \w+: ReadonlyMap<|^\|/.test(line)
    return [
      ...old.filter((line) => !lines.includes(line)).map((line) => `${name} had: ${line}`),
      ...lines
        .filter((line) => !old.includes(line) && !isHarmless(line))
        .map((line) => `${name} has: ${line}`),
    ]
  })
}

if (process.argv.includes('--write') && import.meta.main) {
  const types = worldShape()
  const before = recordedShape()
  const broken = before.format === FORMAT ? breaks(before.types, types) : []
  if (broken.length > 0) {
    console.error(`raise FORMAT in lab/world-store.ts first:\n${broken.join('\n')}`)
    process.exitCode = 1
  } else {
    writeFileSync(FILE, `${JSON.stringify({ format: FORMAT, types }, null, 2)}\n`)
  }
}
