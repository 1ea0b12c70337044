// What a row stands on. Nothing is there until it is asked for: Docker's side, a lab and an agent, a
// fifo that tells of births. The dockerd is the one that answers (DOCKER_HOST, else this host's, which
// with-setup.mjs starts where none runs), so that both sides have the same. All goes at the end of
// the row, the latest first, also when it fails or is interrupted.

import { type Births, listenForBirths } from './births.ts'
import { type DockerSide, openDockerSide } from './docker.ts'
import { type Host, type HostOptions, openHost } from './host.ts'

/** So many pairs a latency is measured by, unless `--pairs` says otherwise. */
export const PAIRS = 100

export type Stage = {
  /** How many pairs of samples a latency wants. */
  readonly pairs: number
  /** Aborted when the whole run is interrupted: a long loop looks at it. */
  readonly signal: AbortSignal
  /** So many of something whose full number is known, shortened as the pairs are. */
  count(full: number): number
  /** A line for whoever waits, on stderr. */
  tell(text: string): void
  /** A lab and an agent, of the bundle. */
  host(options?: HostOptions): Promise<Host>
  /** Docker's API; `sockets` requests at once at most. */
  docker(sockets?: number): DockerSide
  births(): Births
  /** Does that at the end. */
  defer(undo: () => Promise<void> | void): void
}

type Undo = () => Promise<void> | void
export type StageOptions = Pick<Stage, 'pairs' | 'signal' | 'tell'>

/** Gives `play` a stage, and clears it. What fails in the clearing is an error, too. */
export async function onStage<T>(
  { pairs, signal, tell }: StageOptions,
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  const undos: Undo[] = []
  const kept = <U>(thing: U, undo: Undo): U => {
    undos.push(undo)
    return thing
  }
  const stage: Stage = {
    ...{ pairs, signal, tell },
    count: (full) => Math.max(1, Math.ceil((full * pairs) / PAIRS)),
    async host(options) {
      const host = await openHost(options)
      return kept(host, () => host.close())
    },
    docker(sockets) {
      const docker = openDockerSide(sockets)
      return kept(docker, () => docker.close())
    },
    births() {
      const births = listenForBirths()
      return kept(births, () => births.close())
    },
    defer: (undo) => void undos.push(undo),
  }
  const { promise: interrupted, reject } = Promise.withResolvers<never>()
  const interrupt = () => reject(signal.reason)
  if (signal.aborted) interrupt()
  signal.addEventListener('abort', interrupt)
  interrupted.catch(() => {})
  const played = play(stage)
  // What an interrupted row still does fails once its parts are gone, and is then at its end.
  played.catch(() => {})
  const failures: unknown[] = []
  const failed = (error: unknown): undefined => void failures.push(error)
  const figures = await Promise.race([played, interrupted]).catch(failed)
  signal.removeEventListener('abort', interrupt)
  for (const undo of undos.reverse()) await (async () => await undo())().catch(failed)
  const [first, ...others] = failures
  if (others.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  if (first !== undefined) throw first
  return figures as T
}
