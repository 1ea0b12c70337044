// nftables through libnftables (by koffi), in JSON and never in text: no child process, and nothing
// that anybody wrote can be read as a command. The context's socket belongs to the namespace in
// which it was made, so one made inside a task's namespace configures that one from outside too.

import koffi, { type LibraryHandle } from 'koffi'
import { KernelError } from './kernel-error.ts'

/** An expression of a rule; only the ones that enid uses. */
export type NftExpression =
  | { readonly match: NftMatch }
  | { readonly counter: null | { readonly packets: number; readonly bytes: number } }
  | { readonly accept: null }
  | { readonly notrack: null }
  | { readonly drop: null }
  | { readonly mangle: { readonly key: NftPort; readonly value: number } }

type NftPort = {
  readonly payload: { readonly protocol: 'tcp'; readonly field: 'sport' | 'dport' }
}

/** A comparison. */
export type NftMatch = {
  readonly op: '==' | '!='
  readonly left:
    | { readonly meta: { readonly key: 'protocol' | 'iifname' } }
    | { readonly payload: { readonly base: 'll'; readonly offset: number; readonly len: number } }
    | { readonly payload: { readonly protocol: 'ip' | 'ip6'; readonly field: 'saddr' | 'daddr' } }
    | NftPort
  readonly right: string | number
}

type NftFamily = 'netdev' | 'ip'

/** A table: netdev for the egress hook of a link, ip for what goes through the stack. */
export type NftTable = { readonly family: NftFamily; readonly name: string }

/** A base chain on a hook, of one link where the family is netdev. */
export type NftChain = {
  readonly family: NftFamily
  readonly table: string
  readonly name: string
  readonly type: 'filter'
  readonly hook: 'egress' | 'prerouting' | 'output'
  readonly dev?: string
  readonly prio: number
  readonly policy: 'accept' | 'drop'
}

/** A rule with its comment. */
export type NftRule = {
  readonly family: NftFamily
  readonly table: string
  readonly chain: string
  readonly comment?: string
  readonly expr: readonly NftExpression[]
}

/** What can be added, and what a listing consists of. */
export type NftObject =
  | { readonly table: NftTable }
  | { readonly chain: NftChain }
  | { readonly rule: NftRule }

/** A command; several in one run are one transaction. */
export type NftCommand =
  | { readonly add: NftObject }
  | { readonly delete: { readonly table: NftTable } }
  | { readonly list: { readonly table: NftTable } }

type Library = {
  newContext(flags: number): unknown
  setOutputFlags(context: unknown, flags: number): void
  bufferOutput(context: unknown): number
  bufferError(context: unknown): number
  run(context: unknown, commands: string): number
  output(context: unknown): string
  error(context: unknown): string
  free(context: unknown): void
}

let library: Library | undefined

/** Loaded at the first use, so that what needs no rule runs without it. */
function load(): Library {
  if (library !== undefined) return library
  let nft: LibraryHandle
  try {
    nft = koffi.load('libnftables.so.1')
  } catch (error) {
    const what = `libnftables.so.1 cannot be loaded (${String(error)}); install the package nftables`
    throw new KernelError({ errno: 'ENOENT', what })
  }
  library = {
    newContext: nft.func('void *nft_ctx_new(uint32_t flags)'),
    setOutputFlags: nft.func('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)'),
    bufferOutput: nft.func('int nft_ctx_buffer_output(void *ctx)'),
    bufferError: nft.func('int nft_ctx_buffer_error(void *ctx)'),
    run: nft.func('int nft_run_cmd_from_buffer(void *ctx, const char *commands)'),
    output: nft.func('const char *nft_ctx_get_output_buffer(void *ctx)'),
    error: nft.func('const char *nft_ctx_get_error_buffer(void *ctx)'),
    free: nft.func('void nft_ctx_free(void *ctx)'),
  }
  return library
}

const NFT_CTX_OUTPUT_JSON = 1 << 4
const NFT_CTX_OUTPUT_NUMERIC = (1 << 7) | (1 << 8) | (1 << 9)

/** A libnftables context of one namespace. */
export class Nftables {
  readonly #library = load()
  readonly #context: unknown

  /** Made for the namespace that the thread is in. */
  constructor() {
    this.#context = this.#library.newContext(0)
    this.#library.setOutputFlags(this.#context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC)
    this.#library.bufferOutput(this.#context)
    this.#library.bufferError(this.#context)
  }

  /** Runs the commands as one transaction: all of them take effect, or none and it throws. */
  run(what: string, commands: readonly NftCommand[]): readonly NftObject[] {
    if (commands.length === 0) return []
    const failed = this.#library.run(this.#context, JSON.stringify({ nftables: commands })) !== 0
    const complaint = this.#library.error(this.#context)
    const output = this.#library.output(this.#context)
    if (failed) throw new KernelError({ errno: errnoIn(complaint), what: `${what}: ${complaint}` })
    return output === '' ? [] : (JSON.parse(output) as { nftables: NftObject[] }).nftables
  }

  /** The table with its chains and rules; undefined when there is none. */
  list(table: NftTable): readonly NftObject[] | undefined {
    try {
      return this.run(`list table ${table.name}`, [{ list: { table } }])
    } catch (error) {
      if (error instanceof KernelError && error.errno === 'ENOENT') return undefined
      throw error
    }
  }

  close(): void {
    this.#library.free(this.#context)
  }
}

/** libnftables gives words, not numbers: the ones that a caller acts on. */
function errnoIn(complaint: string): string {
  if (complaint.includes('No such file or directory')) return 'ENOENT'
  if (complaint.includes('Operation not permitted')) return 'EPERM'
  if (complaint.includes('Operation not supported')) return 'EOPNOTSUPP'
  // Never EINVAL: that is a namespace's word, by which its task would count as dead.
  return 'EPROTO'
}
