// Documents that name tests, and the tests that they name: read as text on both sides, so that a
// renamed or deleted test breaks the document that leans on it.
//
//   `test/agent/runner.test.ts › a stop ends a wait at once`    in a document
//   test('a stop ends a wait at once', …)                       in that file
//
// A test.each is named by its title as it is written, placeholders and all.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

/** A test, as a document names it. */
export type Reference = { readonly file: string; readonly title: string }

/** A test as its file has it, with the promises (`// P12`) that stand directly above it. */
export type Written = { readonly title: string; readonly promises: readonly string[] }

/** A reference as documents write it, without the backticks. */
export const said = ({ file, title }: Reference): string => `${file} › ${title}`

/** Every test that this Markdown names. */
export function referencesIn(markdown: string): Reference[] {
  const found = markdown.matchAll(/`(test\/[\w./-]+\.ts) › ([^`]+)`/g)
  return [...found].map(([, file = '', title = '']) => ({ file, title }))
}

/** Which of these references name no test, or more than one of their file; in words. */
export function brokenReferences(
  references: readonly Reference[],
  testsOf: (file: string) => readonly Written[] = testsOfFile,
): string[] {
  return references.flatMap((reference) => {
    let count = 0
    try {
      count = testsOf(reference.file).filter(({ title }) => title === reference.title).length
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return `${reference.file}: no file`
      throw error
    }
    if (count === 1) return []
    return `${said(reference)}: ${count === 0 ? 'no such test' : `${count} tests of this title`}`
  })
}

const read = new Map<string, readonly Written[]>()

/** The tests of a file of this checkout. */
export function testsOfFile(file: string): readonly Written[] {
  const known = read.get(file) ?? testsIn(readFileSync(join(ROOT, file), 'utf8'))
  read.set(file, known)
  return known
}

const TITLE = String.raw`\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|${'`'}(?:\\.|[^${'`'}\\])*${'`'})`
const PLAIN = new RegExp(String.raw`\btest\(${TITLE},`, 'g')
/** Where the cases of a test.each end: the linter puts nothing between the two brackets. */
const AFTER_CASES = new RegExp(String.raw`\)\(${TITLE},`, 'g')

/**
 * The tests in the text of a test file. Throws where it cannot tell: a test.each whose title is not
 * found, or something else of the same form.
 */
export function testsIn(text: string): Written[] {
  const plain = [...text.matchAll(PLAIN)].map((found) => written(text, found, found.index))
  const starts = [...text.matchAll(/\b(?:test|describe)\.(?:each|for)\b/g)]
  const titles = [...text.matchAll(AFTER_CASES)]
  if (starts.length !== titles.length) {
    throw new Error(`${starts.length} test.each, but ${titles.length} titles after their cases`)
  }
  const tables = starts.flatMap((start, n) => {
    const title = titles[n]
    if (title === undefined || title.index < start.index) throw new Error('a title before its each')
    return start[0].startsWith('test') ? [written(text, title, start.index)] : []
  })
  return [...plain, ...tables]
}

function written(text: string, title: RegExpExecArray, at: number): Written {
  const quoted = title[1] ?? ''
  const above = text.slice(0, text.lastIndexOf('\n', at) + 1).split('\n')
  above.pop()
  const promises: string[] = []
  for (let line = above.pop(); line?.trim().startsWith('//'); line = above.pop()) {
    promises.push(...(line.match(/\bP\d+\b/g) ?? []))
  }
  return { title: quoted.slice(1, -1).replace(/\\(.)/g, '$1'), promises }
}
