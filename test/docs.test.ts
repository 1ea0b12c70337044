// Goal: what the documents say of tests is so: each test that they name is there. Method: documents
// and test files are read as text; the reading itself is shown on small texts first.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SCENARIOS } from './e2e/scenarios.ts'
import { brokenReferences, referencesIn, said, testsIn, testsOfFile } from './references.ts'

const docs = join(import.meta.dirname, '../docs')
const documents = readdirSync(docs).filter((name) => name.endsWith('.md'))
const read = (name: string): string => readFileSync(join(docs, name), 'utf8')

const sample = `
// P1 and P22
// are kept here
test('it\\'s plain', () => {})
test.each([['a)', "b('x')"]])(
  '%s is %s',
  () => {},
)

// P3

describe.each([1])('a group of %i', () => {
  test.for<[string]>(cases)("what's %s", async () => {})
  test(
    \`\${COUNT} seeds\`, () => {})
})
`

describe('a test file', () => {
  test('is read for its titles, and for the promises directly above them', () => {
    expect(testsIn(sample)).toEqual([
      { title: "it's plain", promises: ['P1', 'P22'] },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the title is read, not evaluated.
      { title: '${COUNT} seeds', promises: [] },
      { title: '%s is %s', promises: [] },
      { title: "what's %s", promises: [] },
    ])
  })

  test('that cannot be read is an error, not an empty one', () => {
    expect(() => testsIn('test.each(cases)(title, work)')).toThrow('1 test.each, but 0 titles')
  })
})

describe('a document', () => {
  test('names tests by file and title', () => {
    const text =
      'as `test/a/b.test.ts › what’s | there` and `test/c.test.ts › %s` say, not `test/c`'
    expect(referencesIn(text)).toEqual([
      { file: 'test/a/b.test.ts', title: 'what’s | there' },
      { file: 'test/c.test.ts', title: '%s' },
    ])
  })

  test('is told of a test that is not there, there twice, or in a file that is not there', () => {
    const all = ['one', 'two', 'two'].map((title) => ({ title, promises: [] }))
    const named = ['one', 'two', 'three'].map((title) => ({ file: 'test/x.test.ts', title }))
    expect(brokenReferences(named, () => all)).toEqual([
      'test/x.test.ts › two: 2 tests of this title',
      'test/x.test.ts › three: no such test',
    ])
    const nowhere = { file: 'test/nowhere.test.ts', title: 'one' }
    expect(brokenReferences([nowhere])).toEqual(['test/nowhere.test.ts: no file'])
  })

  test.each(documents)('%s names only tests that are there', (name) => {
    expect(brokenReferences(referencesIn(read(name)))).toEqual([])
  })
})

test('the scenarios of the ECS agent stand in their document as they are run', () => {
  const rows = [...read('scenarios.md').matchAll(/^\| (\w+) \| (.+) \|$/gm)].map(([row]) => row)
  const run = SCENARIOS.map(({ name, what }) => `| ${name} | ${what} |`)
  expect(run.filter((row) => !rows.includes(row))).toEqual([])
  expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length)
})

describe('the specification', () => {
  const rows = [...read('SPECIFICATION.md').matchAll(/^\| (P\d+) \| .*$/gm)].map(
    ([row, number = '']) => ({ number, tests: referencesIn(row).map(said) }),
  )
  const folder = import.meta.dirname
  // This file holds samples of tests, which are none.
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && file !== 'docs.test.ts')
    .map((file) => `test/${file}`)
  const text = (file: string) => readFileSync(join(folder, '..', file), 'utf8')
  const carried = files.flatMap((file) =>
    testsOfFile(file).flatMap(({ title, promises }) =>
      promises.map((number) => `${number}: ${said({ file, title })}`),
    ),
  )

  test('has each number once, and a test for each', () => {
    const numbers = rows.map(({ number }) => number)
    expect(numbers.filter((number, n) => numbers.indexOf(number) !== n)).toEqual([])
    expect(rows.filter(({ tests }) => tests.length === 0)).toEqual([])
    expect(rows.length).toBeGreaterThan(100)
  })

  test('names for each promise just the tests that carry its number', () => {
    const promised = rows.flatMap(({ number, tests }) => tests.map((name) => `${number}: ${name}`))
    expect(promised.toSorted()).toEqual(carried.toSorted())
  })

  test('misses no number in a test file: each stands directly above a test', () => {
    const comments = files.flatMap((file) => text(file).match(/^\s*\/\/.*\bP\d+\b/gm) ?? [])
    const numbers = comments.flatMap((comment) => comment.match(/\bP\d+\b/g) ?? [])
    expect(numbers).toHaveLength(carried.length)
  })
})
