// What the API may ask about what runs inside a task: to follow its log, to run a program beside it.

import type { HolderId } from '../state/spec.ts'

/** What is to be run in a container of a task. */
export type ExecOrder = {
  readonly command: readonly string[]
  /** Whether it has a terminal: then output and errors are one stream. */
  readonly tty: boolean
  /** As whom; by default as the container's own program. */
  readonly user?: string
}

/** A program in a container, from its start on. */
export type ExecSession = {
  /** What it writes, until it has ended: 1 is its output, 2 its errors. */
  readonly written: AsyncIterable<{ readonly channel: 1 | 2; readonly data: Buffer }>
  /** Gives it input; resolves when there is room for more. */
  write(data: Buffer): Promise<void>
  /** Its input is over. */
  end(): void
  resize(columns: number, rows: number): void
  /** Its exit code, once `written` has ended. Rejects with a Failure where nobody can tell. */
  exitCode(): Promise<number>
  /** Nobody listens any more: it loses its input and output. */
  close(): void
}

/** What may be asked of what runs inside a task. */
export type InsideOrders = {
  /**
   * The last lines of a container's log, and what it writes until it has ended or `signal` aborts; of
   * one that is not there yet, once it is.
   */
  follow(
    id: HolderId,
    container: string,
    given: { readonly lines: number; readonly signal: AbortSignal },
  ): AsyncIterable<Buffer>
  /** Runs a program. Throws a Failure `refused` where the container does not run. */
  exec(id: HolderId, container: string, order: ExecOrder): Promise<ExecSession>
}
