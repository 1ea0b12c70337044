// Goal: `npm ci` takes the lock on any machine. Method: every optional package that a package of the
// lock names is in the lock; npm drops those that a registry lacks, and then refuses the whole.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

type Lock = {
  packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>
}
const path = join(import.meta.dirname, '../../package-lock.json')
const { packages } = JSON.parse(readFileSync(path, 'utf8')) as Lock

/** Whether Node would find `name` from the package at `place`. */
function isThere(place: string, name: string): boolean {
  for (let base = place; ; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
    if (packages[`${base === '' ? '' : `${base}/`}node_modules/${name}`] !== undefined) return true
    if (base === '') return false
  }
}

test('every optional package that is named is in the lock', () => {
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isThere(place, name)),
  )
  expect(missing).toEqual([])
})

test('the lock names no registry: each machine has its own', () => {
  const named = Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)
  expect(named.map(([place]) => place)).toEqual([])
})
