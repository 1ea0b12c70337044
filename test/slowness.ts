// How much slower than alone this process runs just now: where a test holds a promise in milliseconds
// against what it saw, it divides by this, or whatever else runs on the machine fails it.

/** So much processor time is spent on finding out, milliseconds. */
const SAMPLE_MS = 20

/**
 * Wall time by processor time of a busy loop: 1 on a machine that does nothing else, 3 where three
 * want each core. Never below 1.
 */
export function slowness(): number {
  const [begun, before] = [performance.now(), process.cpuUsage()]
  let spent = 0
  while (spent < SAMPLE_MS) {
    const { user, system } = process.cpuUsage(before)
    spent = (user + system) / 1000
  }
  return Math.max(1, (performance.now() - begun) / spent)
}
