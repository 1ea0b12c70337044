// What Docker says when it refuses a container may quote what it refuses: a value that was fetched
// for it, and that nobody is to write down. Here such words lose their values.

import type { ContainerSpec } from '../../state/spec.ts'
import { Failure } from '../failure.ts'
import type { ContainerFacts } from './docker.ts'
import type { Fetched } from './values/values.ts'
import { NOTHING, withoutValues } from './values/values.ts'

/** The error without these values. */
export function withoutFetched(error: unknown, fetched: Fetched): unknown {
  if (!(error instanceof Failure) || fetched === NOTHING) return error
  return worded(error, withoutValues(error.message, fetched))
}

/**
 * The error without what was fetched for this container when it was made, which Docker alone still
 * knows: `ask` inspects it. Where Docker does not tell, its words are not passed on.
 */
export async function withoutKept(
  error: unknown,
  { secrets = [], environmentFiles = [], environment, log }: ContainerSpec,
  ask: () => Promise<ContainerFacts | undefined>,
): Promise<unknown> {
  const options = log?.secretOptions ?? []
  const wasFetched = [secrets, environmentFiles, options].some((each) => each.length > 0)
  if (!(error instanceof Failure) || error.isAway || !wasFetched) return error
  const facts = await ask().catch((failure) => {
    if (!(failure instanceof Failure)) throw failure
    return undefined
  })
  if (facts === undefined) {
    return worded(error, 'Docker refused it, in words that may quote a secret of the task')
  }
  const lines = facts.Config.Env.map((line) => {
    const [name = '', ...value] = line.split('=')
    return [name, value.join('=')] as const
  })
  const named = (
    names: readonly { readonly name: string }[],
    all: readonly (readonly [string, string])[],
  ) => Object.fromEntries(all.filter(([name]) => names.some((one) => one.name === name)))
  const others = lines.filter(([name, value]) => environment[name] !== value)
  const config = facts.HostConfig.LogConfig?.Config as Record<string, string> | undefined
  const kept = {
    fromFiles: environmentFiles.length > 0 ? Object.fromEntries(others) : {},
    secrets: named(secrets, lines),
    logOptions: named(options, Object.entries(config ?? {})),
  }
  return withoutFetched(error, kept)
}

function worded({ kind, code, hint, ofChoice, isAway }: Failure, message: string): Failure {
  return new Failure(kind, code, message, { hint, ofChoice, isAway })
}
