// dockerd's calls about what goes on inside a container that runs: its log as it is written, and programs
// beside its own.

import type { Duplex } from 'node:stream'
import type Dockerode from 'dockerode'
import { CALL_MS, call } from './docker-call.ts'
import { dockerFailure, statusOf } from './docker-failure.ts'

/** What is to be run in a container that runs. */
export type ExecPlan = {
  readonly command: readonly string[]
  readonly tty: boolean
  readonly user?: string
}

/** A program in a container, from its start on. */
export type Executing = {
  /** Its input, and what it writes: in frames unless it has a terminal. */
  readonly stream: Duplex
  /** Of one that has ended this does nothing. Throws a Failure where Docker refuses it. */
  resize(columns: number, rows: number): Promise<void>
  /** Its exit code; undefined while it runs. */
  exitCode(): Promise<number | undefined>
}

export type ExecCalls = {
  /**
   * The last `lines` of its output and what it writes from then on, until it ends, in frames unless
   * it has a terminal; undefined where it is gone.
   */
  followLogs(
    containerId: string,
    lines: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer> | undefined>
  /** Starts a program beside the container's own. Throws `refused` with Docker's words. */
  exec(containerId: string, plan: ExecPlan, signal: AbortSignal): Promise<Executing>
}

export const execCalls = (api: Dockerode): ExecCalls => ({
  async followLogs(id, lines, signal) {
    const options = { stdout: true, stderr: true, follow: true as const, tail: lines }
    try {
      const stream = await api.getContainer(id).logs({ ...options, abortSignal: signal })
      return stream as unknown as AsyncIterable<Buffer>
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw dockerFailure(error, 'CannotReadLogs', 'transient')
    }
  },

  async exec(id, { command, tty, user }, signal) {
    try {
      const made = await call(signal, CALL_MS, () =>
        api.getContainer(id).exec({
          Cmd: [...command],
          Tty: tty,
          ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true },
          ...(user === undefined ? {} : { User: user }),
        }),
      )
      const how = { hijack: true, stdin: true, Tty: tty }
      const stream = await call(signal, CALL_MS, () => made.start(how))
      return {
        stream,
        resize: (columns, rows) => resize(made, columns, rows),
        async exitCode() {
          const { Running, ExitCode } = await made.inspect()
          return Running ? undefined : (ExitCode ?? undefined)
        },
      }
    } catch (error) {
      throw dockerFailure(error, 'CannotExecError', 'refused')
    }
  },
})

async function resize(made: Dockerode.Exec, columns: number, rows: number): Promise<void> {
  try {
    await made.resize({ w: columns, h: rows })
  } catch (error) {
    if (await hasEnded(made)) return
    throw dockerFailure(error, 'CannotResizeExec', 'refused')
  }
}

/** Asked instead of read off the refusal: each version of Docker words that in its own way. */
async function hasEnded(made: Dockerode.Exec): Promise<boolean> {
  try {
    return !(await made.inspect()).Running
  } catch (error) {
    return statusOf(error) === 404
  }
}
