// What the agent does again and again for as long as it lives.

/** Does it again and again until everything is taken down; never without an interval. A throw is a defect. */
export function every(
  up: AsyncDisposableStack,
  ms: number | undefined,
  work: () => void,
  onDefect: (error: unknown) => void,
): void {
  if (ms === undefined) return
  const timer = setInterval(() => {
    try {
      work()
    } catch (error) {
      onDefect(error)
    }
  }, ms)
  up.defer(() => clearInterval(timer))
}
