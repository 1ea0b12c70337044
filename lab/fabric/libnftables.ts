// libnftables, bound by koffi: one context, JSON in, one call = one transaction that the kernel
// takes whole or not at all. In-process because spawning `nft` costs 7 ms and more with our memory.
// The caller makes and runs it inside the fabric's namespace (namespace.ts): the library may open
// its socket anew after an interrupted read, and it must land in the same place.

import koffi from 'koffi'
import type { Command } from './nft.ts'
import type { Listed } from './whole-ruleset.ts'

const JSON_OUTPUT = 1 << 4 // NFT_CTX_OUTPUT_JSON: it also makes the input JSON.
const TERSE = 1 << 11 // NFT_CTX_OUTPUT_TERSE: sets are listed without their elements.

const library = koffi.load('libnftables.so.1')
const create = library.func('void *nft_ctx_new(uint32_t flags)')
const free = library.func('void nft_ctx_free(void *context)')
const bufferOutput = library.func('int nft_ctx_buffer_output(void *context)')
const bufferError = library.func('int nft_ctx_buffer_error(void *context)')
const takeOutput = library.func('const char *nft_ctx_get_output_buffer(void *context)')
const takeError = library.func('const char *nft_ctx_get_error_buffer(void *context)')
const setOutputFlags = library.func('void nft_ctx_output_set_flags(void *context, uint32_t flags)')
const runCommand = library.func('int nft_run_cmd_from_buffer(void *context, const char *text)')

/** Runs transactions in the namespace it was opened in. */
export type Nftables = {
  /** Applies all commands or none, in force on return; throws the library's own words. */
  run(commands: readonly Command[]): void
  /** The chains, sets and maps that there are, without what is in them unless that is asked for. */
  list(withElements?: 'with elements'): Listed[]
  close(): void
}

/** Opens a context. Throws when the library has no JSON or no memory. */
export function openNftables(): Nftables {
  const context = create(0)
  if (context === null) throw new Error('libnftables gave no context')
  bufferOutput(context)
  bufferError(context)
  setOutputFlags(context, JSON_OUTPUT | TERSE)
  const run = (commands: readonly object[]): string => {
    const result = runCommand(context, JSON.stringify({ nftables: commands }))
    const words: string = takeError(context)
    const output: string = takeOutput(context)
    if (result !== 0) throw new Error(`nftables refused: ${words.trim() || `result ${result}`}`)
    return output
  }
  return {
    run(commands) {
      if (commands.length > 0) run(commands)
    },
    list(withElements) {
      const kinds = ['chains', 'sets', 'maps']
      if (withElements !== undefined) setOutputFlags(context, JSON_OUTPUT)
      try {
        return kinds.flatMap((kind) => {
          const output = run([{ list: { [kind]: null } }])
          return (JSON.parse(output) as { nftables: Listed[] }).nftables
        })
      } finally {
        setOutputFlags(context, JSON_OUTPUT | TERSE)
      }
    },
    close: () => free(context),
  }
}
