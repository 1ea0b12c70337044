// A NAT gateway's namespace, opened: its rules in force, then forwarding. Everything of it belongs to
// that namespace and ends with it. Where it is open already the rules are put right in one
// transaction, and what it translates goes on.

import fs from 'node:fs'
import { openNftables } from './libnftables.ts'
import { withinPath } from './namespace.ts'
import { TRANSLATOR_SYSCTLS, translatorRuleset } from './translator-rules.ts'
import { replaceAll } from './whole-ruleset.ts'

/** Opens it, or makes sure that it is; its interface must be configured. */
export function openTranslator(netns: string, address: string): void {
  withinPath(netns, () => {
    const nftables = openNftables()
    try {
      nftables.run(replaceAll(nftables.list(), translatorRuleset(address)))
    } finally {
      nftables.close()
    }
    for (const [path, value] of TRANSLATOR_SYSCTLS) fs.writeFileSync(`/proc/sys/net/${path}`, value)
  })
}
