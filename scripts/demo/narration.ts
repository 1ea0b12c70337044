// What the demo says: one line per thing that happened, with the second it happened in, and one line
// per claim, with what was seen. Claims are counted; one that fails makes the demo fail.

const startedAt = performance.now()
let provenCount = 0
let failedCount = 0

const stamp = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  `
const INDENT = ' '.repeat(9)

/** Something that happened. */
export const tell = (text: string): void => {
  console.log(`${stamp()}${text}`)
}

/** A part of the story begins. */
export const chapter = (title: string): void => {
  console.log(`\n${title}`)
}

/** A command as a person would type it, or lines that a program printed. */
export const show = (text: string): void => {
  console.log(text.trimEnd().replaceAll(/^/gm, INDENT))
}

/** A claim, and what was seen. Where it does not hold the demo goes on, and fails at its end. */
export function claim(holds: boolean, text: string, seen: string): void {
  if (holds) provenCount += 1
  else failedCount += 1
  console.log(`${stamp()}${holds ? 'ok   ' : 'FAIL '}${text}${seen === '' ? '' : `: ${seen}`}`)
}

/** How many claims held and how many did not, so far. */
export const claimCounts = (): { proven: number; failed: number } => ({
  proven: provenCount,
  failed: failedCount,
})

/** Seconds since the demo began, for its last line. */
export const elapsed = (): string => ((performance.now() - startedAt) / 1000).toFixed(1)
