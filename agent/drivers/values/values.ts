// What a container is to be told that no journal may hold: secrets, and files of variables. Fetched
// each time a container is made, given to Docker and forgotten; the memory of them is Docker's.
//
//   variables:   environment files, the first one wins  <  environment  <  secrets

import type {
  ContainerSpec,
  EnvironmentFileSource,
  SecretSource,
  SecretSpec,
  Spec,
} from '../../../state/spec.ts'
import { Failure } from '../../failure.ts'
import { unlessAborted } from '../abort.ts'
import type { Roles } from '../roles/roles.ts'
import { variablesIn } from './environment-file.ts'
import { readBelow } from './local-file.ts'
import { memberOf } from './member.ts'
import { openStores } from './stores.ts'

/** What was fetched for one container. */
export type Fetched = {
  readonly fromFiles: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  readonly logOptions: Readonly<Record<string, string>>
}

export const NOTHING: Fetched = { fromFiles: {}, secrets: {}, logOptions: {} }

export type Values = {
  /**
   * All that the container's spec names. Rejects with a Failure `ResourceInitializationError`, in
   * ECS's words and without a value: `refused` where somebody must act, else `transient`.
   */
  fetch(task: Spec, container: ContainerSpec, signal: AbortSignal): Promise<Fetched>
  /** The text of one secret of the task. Rejects with a Failure as `fetch` does. */
  secret(from: SecretSource, task: Spec, signal: AbortSignal): Promise<string>
  /** The text of one file of the task. Rejects with a Failure as `fetch` does. */
  file(from: EnvironmentFileSource, task: Spec, signal: AbortSignal): Promise<string>
  close(): void
}

export type ValuesOptions = {
  readonly roles: Roles
  /** The host's own. */
  readonly region: string
  /** Below it are the secrets and environment files that are called `file:…`. */
  readonly secretsDir: string
}

/** Opens it. No SDK is loaded before the first secret that needs one: each takes 0.1 to 0.4 s. */
export function openValues({ roles, region, secretsDir }: ValuesOptions): Values {
  const stores = openStores({ roles, region })

  async function text(from: SecretSource, role: string | undefined, signal: AbortSignal) {
    if (from.store === 'file') return (await readBelow(secretsDir, from.path)).replace(/\r?\n$/, '')
    return await stores.secret(from, role, signal)
  }

  async function file(from: EnvironmentFileSource, role: string | undefined, signal: AbortSignal) {
    if (from.store === 'file') return await readBelow(secretsDir, from.path)
    return await stores.object(from, role, signal)
  }

  return {
    secret: async (from, task, signal) =>
      await unlessAborted(text(from, executionRole(roles, task), signal), signal, 'the secret'),
    file: async (from, task, signal) =>
      await unlessAborted(file(from, executionRole(roles, task), signal), signal, 'the file'),
    async fetch(task, container, signal) {
      const { secrets = [], environmentFiles = [], log } = container
      const role = executionRole(roles, task)
      // Many variables are members of one secret: it is asked for once.
      const texts = new Map<string, Promise<string>>()
      const value = async ({ name, from }: SecretSpec): Promise<[string, string]> => {
        const { jsonKey, ...whole } = { jsonKey: undefined, ...from }
        const key = JSON.stringify(whole)
        const asked = texts.get(key) ?? text(from, role, signal)
        texts.set(key, asked)
        try {
          const found = await unlessAborted(asked, signal, 'the secret')
          return [name, jsonKey === undefined ? found : memberOf(found, jsonKey)]
        } catch (error) {
          throw failed(`unable to pull secrets or registry auth: ${name} of`, container, error)
        }
      }
      const variables = async (from: EnvironmentFileSource) => {
        try {
          return variablesIn(await unlessAborted(file(from, role, signal), signal, 'the file'))
        } catch (error) {
          throw failed('failed to download env files of', container, error)
        }
      }
      const [own, options, files] = await Promise.all([
        Promise.all(secrets.map(value)),
        Promise.all((log?.secretOptions ?? []).map(value)),
        Promise.all(environmentFiles.map(variables)),
      ])
      return {
        fromFiles: Object.assign({}, ...files.toReversed()),
        secrets: Object.fromEntries(own),
        logOptions: Object.fromEntries(options),
      }
    },
    close: () => stores.close(),
  }
}

/** Who asks for a task: its execution role, where this host has a source of it; else the agent. */
export function executionRole(
  roles: Pick<Roles, 'has'>,
  { roles: { execution } = {} }: Pick<Spec, 'roles'>,
): string | undefined {
  return execution !== undefined && roles.has(execution) ? execution : undefined
}

/** ECS's word. A Failure of the place that was asked has said who must act; all others are refusals. */
function failed(what: string, { name }: ContainerSpec, error: unknown): unknown {
  if (!(error instanceof Failure)) return error
  if (error.code === 'Aborted') return error
  const { message, hint } = error
  const text = `${what} container ${name}: ${message}`
  return error.kind === 'transient'
    ? new Failure('transient', 'ResourceInitializationError', text, { hint })
    : new Failure('refused', 'ResourceInitializationError', text, { hint })
}

/**
 * The text with each value put out of sight: as it is, as a quoting program writes it, and line by
 * line; the longest first. Lines of less than four characters say nothing and are in every text.
 */
export function withoutValues(text: string, { fromFiles, secrets, logOptions }: Fetched): string {
  const values = [fromFiles, secrets, logOptions].flatMap((each) => Object.values(each))
  const written = values.flatMap((value) => [
    value,
    JSON.stringify(value).slice(1, -1),
    ...value.split(/\s*\n\s*/).filter((line) => line.length >= 4),
  ])
  return written
    .filter((value) => value !== '')
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, value) => rest.replaceAll(value, '…'), text)
}
