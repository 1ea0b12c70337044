// Client tokens: the same request with the same token is done once and answered with what it made,
// for 24 hours, also when that was deleted meanwhile; another request with it is refused. A token
// is its action's: the same one in another action is another token.

import { CLIENT_TOKEN_MS } from '../model/quota.ts'
import { Refusal } from '../model/refusal.ts'
import type { ClientToken, World } from '../model/world.ts'
import type { Call } from './action.ts'

type Made = ClientToken['made']
type Input = { readonly ClientToken?: string | undefined; readonly DryRun?: boolean | undefined }

/** How a thing is made, and what it is by now when it was made before. */
type Making<T extends Made, Out> = {
  readonly make: () => Out
  /** `undefined`: it is of another kind, which no token of this action has. */
  readonly again: (was: Made) => T | undefined
}

/** Makes the thing unless this very request made it before; gives the world and the thing. */
export function once<T extends Made, Out extends { readonly world: World; readonly made: T }>(
  action: string,
  world: World,
  input: Input,
  call: Call,
  { make, again }: Making<T, Out>,
): Out | { readonly world: World; readonly made: T } {
  const { ClientToken: token, DryRun: _dryRun, ...request } = input
  if (token === undefined || token === '') return make()
  if (!/^[\x20-\x7e]{1,64}$/.test(token)) {
    throw new Refusal(
      'InvalidClientToken',
      'The ClientToken must be 1 to 64 printable ASCII characters.',
    )
  }
  const key = `${action} ${token}`
  const text = JSON.stringify(request, sortedKeys)
  const isValid = ({ givenAt }: ClientToken): boolean =>
    call.now.getTime() - givenAt.getTime() < CLIENT_TOKEN_MS
  const earlier = world.clientTokens.get(key)
  if (earlier !== undefined && isValid(earlier)) {
    if (earlier.request !== text) throw mismatch(token)
    const made = again(earlier.made)
    if (made === undefined) throw new Error(`the model has a token of another kind: ${key}`)
    return { world, made }
  }
  const fresh = make()
  const clientTokens = new Map([...world.clientTokens].filter(([, each]) => isValid(each)))
  clientTokens.set(key, { request: text, made: fresh.made, givenAt: call.now })
  return { ...fresh, world: { ...fresh.world, clientTokens } }
}

/** A JSON replacer: the order in which a caller wrote the parameters says nothing. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function mismatch(token: string): Refusal {
  return new Refusal(
    'IdempotentParameterMismatch',
    `Arguments on this idempotent request are inconsistent with arguments used in previous ` +
      `request(s) with the ClientToken '${token}'.`,
  )
}
